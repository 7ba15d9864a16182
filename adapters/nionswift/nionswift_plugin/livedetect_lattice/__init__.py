"""A crystal under Nion's simulated microscope, for trying livedetect without hardware.

Does nothing unless the environment variable ``LIVEDETECT_LATTICE`` holds the spec of a crystal,
for example ``mos2?detected_e_per_px=10&dwell_us=1``. With ``LIVEDETECT_LATTICE_PLAY`` set to the
edge of a frame in px, Swift begins to scan by itself once somebody takes its frames, the alarm
armed: that is a demonstration, and never what happens at a real column.
"""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "LIVEDETECT_LATTICE"
PLAY = "LIVEDETECT_LATTICE_PLAY"


class LatticeExtension:
    """What Swift finds; made before usim runs, which is when the specimen must lie ready."""

    extension_id = "livedetect.lattice"

    def __init__(self, api_broker: Any) -> None:  # noqa: ARG002 - Swift gives it
        self._listener: Any = None
        spec = os.environ.get(VARIABLE)
        if spec:
            self._listener = _install(spec)
        if spec and os.environ.get(PLAY):
            _play(int(os.environ[PLAY]))

    def close(self) -> None:
        """Swift ends."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _install(spec: str) -> Any:
    # numba, usim and livedetect's simulator are wanted only here
    from nion.instrumentation import HardwareSource  # noqa: PLC0415

    from nionswift_plugin.livedetect_lattice import usim  # noqa: PLC0415

    usim.install(spec)
    found = HardwareSource.HardwareSourceManager()
    return found.hardware_source_added_event.listen(usim.prepare)


def _play(size: int) -> None:
    from nionswift_plugin.livedetect_lattice import demonstration  # noqa: PLC0415

    demonstration.begin(size)
