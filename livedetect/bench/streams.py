"""Streams whose truth is known: stored in a folder, or simulated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livedetect.bench.areas import Alterable, TrueAreas
from livedetect.bench.optimum import Observable, Observer
from livedetect.bench.truth import Truth, read_truth, truth_from
from livedetect.errors import SourceError
from livedetect.protocols import Simulator
from livedetect.types import Frame, SimulatedFrame, TrueDefect

GROWING = frozenset({"domain", "holes", "lines"})
"""Keys of the simulator that let something extended grow."""


class StoredStream:
    """A case folder: ``frames.npy``, ``truth.csv``, ``meta.json``."""

    def __init__(self, case: Path) -> None:
        self._case = case

    def __iter__(self) -> Iterator[Frame]:
        stack = np.load(self._case / "frames.npy", mmap_mode="r")
        meta = json.loads((self._case / "meta.json").read_text(encoding="utf-8"))
        for index, data in enumerate(stack):
            yield Frame.from_array(data, index=index, pixel_size_nm=meta["pixel_size_nm"])

    def truth(self) -> Truth:
        """What happened in it."""
        return read_truth(self._case)

    def areas(self) -> None:
        """Not told of stored streams."""

    def with_truth(self) -> Iterator[SimulatedFrame]:
        """Not every defect of real frames is known: raises `SourceError`."""
        raise SourceError(
            f"{self._case.name}: only of simulated streams it is known what they hold"
        )

    def observer(self) -> Observer:
        """Nobody knows the truth of real frames: raises `SourceError`."""
        raise SourceError(f"{self._case.name}: the matched filter needs a simulated stream")


class SimulatedStream:
    """Frames of a simulator; their truth is gathered on the way."""

    def __init__(self, spec: str, simulator: Simulator) -> None:
        self._spec = spec
        self._simulator = simulator
        self._defects: list[TrueDefect] = []
        self._regions: list[NDArray[np.bool_]] = []

    def __iter__(self) -> Iterator[Frame]:
        for entry in self.with_truth():
            yield entry.frame

    def with_truth(self) -> Iterator[SimulatedFrame]:
        """Every frame with all the defects in it."""
        for entry in self._simulator:
            self._defects.extend(entry.truth)
            if entry.region is not None:
                self._regions.append(entry.region)
            yield entry

    def truth(self) -> Truth:
        """What happened in the frames so far."""
        region = np.array(self._regions) if self._regions else None
        meta = {**self._simulator.meta, "case": self._spec}
        return truth_from(meta, self._defects, region=region)

    def areas(self) -> TrueAreas | None:
        """Where it differs from the crystal; None where nothing extended grows."""
        spec = self._simulator.meta.get("spec", {})
        if not isinstance(self._simulator, Alterable) or not GROWING & set(spec):
            return None
        cell = np.asarray(self._simulator.meta["lattice_px"])
        return TrueAreas(
            simulator=self._simulator,
            frames=int(self._simulator.meta["frames"]),
            cell_px2=abs(float(np.linalg.det(cell))),
        )

    def observer(self) -> Observer:
        """Who knows the truth; raises `SourceError` if the simulator knows nobody."""
        if not isinstance(self._simulator, Observable):
            raise SourceError(f"{self._spec}: the simulator has no ideal observer")
        return self._simulator.observer()


def simulated(spec: str) -> SimulatedStream:
    """The stream of a spec; raises `SettingsError` for one that is not understood."""
    from livedetect.stream.registry import open_simulator  # noqa: PLC0415 - workers only

    return SimulatedStream(spec, open_simulator(spec))


def stored_cases(data: Path) -> list[Path]:
    """The case folders in `data`.

    Raises
    ------
    SourceError : there is none.
    """
    found = sorted(path.parent for path in Path(data).glob("*/truth.csv"))
    cases = [path for path in found if (path / "frames.npy").exists()]
    if not cases:
        raise SourceError(f"{data} holds no case folder with frames.npy, truth.csv and meta.json")
    return cases
