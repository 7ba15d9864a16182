"""Frames on disk: a folder of single files, one ``.npy`` stack or one multi-page ``.tif``.

Everything is written under a temporary name and renamed, so that nobody reads half a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from livedetect.errors import SettingsError
from livedetect.stream.open_files import despite_readers
from livedetect.types import Frame, SimulatedFrame, TrueDefect
from livedetect_simulators.truth import write_meta, write_truth

if TYPE_CHECKING:
    from livedetect_simulators.simulation import Simulation

Progress = Callable[[int, int], None]
STACK_SUFFIXES = (".npy", ".tif", ".tiff")
PARTIAL = ".part"


def write(simulation: Simulation, destination: Path, *, progress: Progress | None = None) -> None:
    """Write all frames, and the truth beside them.

    Parameters
    ----------
    simulation : the stream; with ``fps`` its frames are written at that rate.
    destination : ``NAME.npy`` or ``NAME.tif`` (``NAME.ome.tif`` for OME metadata) for one
        stack, anything else for a folder of single calibrated ``.tif`` files.
    progress : called with the number of frames written and the number of all frames.

    Raises
    ------
    SettingsError : the folder already holds frames, or the suffix is not known.
    """
    destination = Path(destination)
    suffix = destination.suffix.lower()
    kept = _Truth(simulation, progress)
    if suffix in STACK_SUFFIXES and not destination.is_dir():
        if simulation.settings.scan_size:
            raise SettingsError("scan_size: frames of several shapes need a folder or tcp://")
        directory = destination.parent
        directory.mkdir(parents=True, exist_ok=True)
        stack = _write_npy if suffix == ".npy" else _write_tif
        stack(simulation, kept, destination)
    else:
        directory = destination
        _make_empty(directory)
        # before the frames: who watches the folder must know the dose from the first one on
        write_meta(directory, simulation.meta)
        _write_folder(kept, directory)
    kept.save(directory)


class _Truth:
    """Passes the frames of a simulation on and keeps the truth about them."""

    def __init__(self, simulation: Simulation, progress: Progress | None) -> None:
        self._simulation = simulation
        self._progress = progress
        self._defects: list[TrueDefect] = []
        self._regions: list[NDArray[np.bool_]] = []

    def __iter__(self) -> Iterator[Frame]:
        total = len(self._simulation)
        for done, simulated in enumerate(self._simulation, start=1):
            self._note(simulated)
            yield simulated.frame
            if self._progress is not None:
                self._progress(done, total)

    def _note(self, simulated: SimulatedFrame) -> None:
        self._defects += simulated.truth
        if simulated.region is not None:
            self._regions.append(simulated.region)

    def save(self, directory: Path) -> None:
        """Write the truth of the frames that have passed."""
        region = np.stack(self._regions).astype(np.uint8) if self._regions else None
        write_truth(directory, self._simulation.meta, self._defects, region)


def _write_npy(simulation: Simulation, frames: _Truth, path: Path) -> None:
    shape = (len(simulation), *simulation.settings.shape)
    with _renamed(path) as partial:
        stack = np.lib.format.open_memmap(partial, mode="w+", dtype=simulation.dtype, shape=shape)
        for frame in frames:
            stack[frame.index] = frame.data
        stack.flush()
        del stack  # Windows renames no file that is mapped


def _write_tif(simulation: Simulation, frames: _Truth, path: Path) -> None:
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    pixel = simulation.pixel_size_nm
    with _renamed(path) as partial:
        tifffile.imwrite(
            partial,
            (frame.data for frame in frames),
            shape=(len(simulation), *simulation.settings.shape),
            dtype=simulation.dtype,
            ome=ome,
            imagej=not ome,
            photometric="minisblack",
            resolution=(1 / pixel, 1 / pixel),
            metadata=_ome(pixel, simulation.frame_time_s) if ome else _imagej("TYX"),
        )


def _make_empty(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(path.suffix.lower() in STACK_SUFFIXES for path in directory.iterdir()):
        raise SettingsError(f"{directory} already holds frames: choose an empty folder")


def _write_folder(frames: _Truth, directory: Path) -> None:
    for frame in frames:
        pixel = frame.calibration.pixel_size_nm or 1.0
        with _renamed(directory / f"frame_{frame.index:06d}.tif") as partial:
            tifffile.imwrite(
                partial,
                frame.data,
                imagej=True,
                photometric="minisblack",
                resolution=(1 / pixel, 1 / pixel),
                metadata=_imagej("YX"),
            )


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """A temporary name that becomes `path` when all is written, and goes if that fails."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        yield partial
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    despite_readers(lambda: partial.replace(path))


def _imagej(axes: str) -> dict[str, Any]:
    return {"axes": axes, "unit": "nm"}


def _ome(pixel_nm: float, frame_time_s: float) -> dict[str, Any]:
    return {
        "axes": "TYX",
        "PhysicalSizeX": pixel_nm,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": pixel_nm,
        "PhysicalSizeYUnit": "nm",
        "TimeIncrement": frame_time_s,
        "TimeIncrementUnit": "s",
    }
