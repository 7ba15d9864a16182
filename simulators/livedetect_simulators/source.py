"""The simulator as a source (``sim:SPEC``) and as a simulator that tells the truth."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from livedetect.protocols import SourceRequest
from livedetect.types import SourceInfo, SourceItem
from livedetect_simulators.simulation import Simulation
from livedetect_simulators.spec import allowed_keys, settings_from

OPTIONS = allowed_keys()
"""Keys behind ``?`` with their meaning, for ``livedetect sources``."""


class SimulatedSource:
    """Frames of a simulation without their truth."""

    def __init__(self, simulation: Simulation, stop: threading.Event) -> None:
        self._simulation = simulation
        self._stop = stop
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """Live if it is paced; otherwise frames wait for whoever takes them."""
        settings = self._simulation.settings
        return SourceInfo(
            name=f"sim:{settings.crystal}",
            live=settings.fps is not None,
            frame_count=len(self._simulation),
        )

    def __iter__(self) -> Iterator[SourceItem]:
        for simulated in self._simulation.play(self._stop):
            if self._closed:
                return
            yield simulated.frame

    def close(self) -> None:
        """End the iteration at the next frame."""
        self._closed = True


def open_source(request: SourceRequest) -> SimulatedSource:
    """A simulated crystal under the beam: graphene, mos2, ws2, mowte2, square or zro2."""
    simulation = Simulation(settings_from(request.target, request.options))
    return SimulatedSource(simulation, request.stop)


def open_simulator(spec: str) -> Simulation:
    """The simulator of ``CRYSTAL?key=value&...``; raises `SettingsError`."""
    return Simulation(spec)
