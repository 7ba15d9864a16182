"""A session's frames in one file that other programs open: OME-TIFF or NeXus."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray

from livedetect.errors import SettingsError, SourceError
from livedetect.stream.open_files import despite_readers
from livedetect.stream.pack_ome import ome_metadata
from livedetect.stream.recording import Recording, Row
from livedetect.stream.session_files import to_json
from livedetect.types import Calibration

TIFF_SUFFIXES = (".tif", ".tiff")
HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")

Write = Callable[[Recording, Sequence[Row], Path], None]


def pack(directory: Path, to: Path, *, overwrite: bool = False) -> list[Path]:
    """Write all recorded frames of a session, in the order of their numbers.

    One file for each channel, dtype and shape; where there are several, ``-0001`` and so on is
    added to the name. A file appears under its name when it is complete.

    Parameters
    ----------
    directory : of the session.
    to : ``.tif`` for BigTIFF with OME's metadata (see `pack_ome`), ``.h5`` or ``.nxs`` for HDF5
        after NeXus.
    overwrite : replace files that are there already.

    Returns
    -------
    The files written.

    Raises
    ------
    SettingsError
        The suffix is another one, or a file is there already.
    SourceError
        The session is damaged or holds no frames, or the file cannot be written.
    """
    write = _writer(to)
    recording = Recording(directory)
    groups = _by_array(recording)
    if not groups:
        raise SourceError(f"{directory} holds no frames")
    paths = _paths(to, len(groups))
    if not overwrite:
        _require_free(paths)
    written = []
    for path, rows in zip(paths, groups, strict=True):
        draft = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(recording, rows, draft)
            despite_readers(partial(draft.replace, path))
        except (OSError, ValueError, TypeError) as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{path} cannot be written: {error}") from error
        written.append(path)
    return written


def _paths(to: Path, count: int) -> list[Path]:
    numbered = [to.with_stem(f"{to.stem}-{number:04d}") for number in range(1, count + 1)]
    return [to] if count == 1 else numbered


def _require_free(paths: Sequence[Path]) -> None:
    taken = [str(path) for path in paths if path.exists()]
    if taken:
        raise SettingsError(
            f"--to: {', '.join(taken)} exists already; give another name, or --overwrite"
        )


def _writer(to: Path) -> Write:
    suffix = to.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return _write_tiff
    if suffix in HDF5_SUFFIXES:
        return _write_nexus
    known = ", ".join((*TIFF_SUFFIXES, *HDF5_SUFFIXES))
    raise SettingsError(f"--to {to}: the name must end in one of {known}")


def _by_array(recording: Recording) -> list[list[Row]]:
    rows = [row for row in recording.rows() if row.array is not None]
    for channel in recording.other_channels():
        rows += [row for row in recording.other_rows(channel) if row.array is not None]
    arrays = sorted({str(row.array) for row in rows})
    return [sorted((r for r in rows if r.array == a), key=lambda r: r.index) for a in arrays]


def _pixels(recording: Recording, rows: Sequence[Row]) -> Iterator[NDArray[Any]]:
    for row in rows:
        yield recording.pixels(row)


def _write_tiff(recording: Recording, rows: Sequence[Row], path: Path) -> None:
    dtype, shape = recording.frames.layout(str(rows[0].array))
    scan = rows[0].calibration
    size, aspect = scan.pixel_size_nm, scan.pixel_aspect
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as target:
        target.write(
            _pixels(recording, rows),
            shape=(len(rows), *shape),
            dtype=dtype,
            photometric="minisblack",
            metadata=ome_metadata(recording, rows),
            # ImageJ without Bio-Formats reads these: pixels per centimetre
            resolution=(1e7 / size, 1e7 / (size * aspect)) if size else None,
            resolutionunit="CENTIMETER" if size else None,
        )


def _write_nexus(recording: Recording, rows: Sequence[Row], path: Path) -> None:
    dtype, shape = recording.frames.layout(str(rows[0].array))
    with h5py.File(path, "w") as target:
        target.attrs["default"] = "entry"
        entry = _group(target, "entry", "NXentry")
        entry.attrs["default"] = "data"
        entry["title"] = str(recording.session.get("source", ""))
        entry["start_time"] = str(recording.session.get("started_utc", ""))
        data = _group(entry, "data", "NXdata")
        images = data.create_dataset(
            "frames",
            shape=(len(rows), *shape),
            dtype=dtype,
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        for position, pixels in enumerate(_pixels(recording, rows)):
            images[position] = pixels
        data.attrs["signal"] = "frames"
        data.attrs["axes"] = ["time", "y", "x"]
        _write_axes(data, rows, shape)
        data["index"] = np.array([row.index for row in rows])
        data["disposition"] = [row.disposition for row in rows]
        _write_notes(entry, recording, rows[0].calibration)


def _group(parent: Any, name: str, kind: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _write_axes(data: Any, rows: Sequence[Row], shape: tuple[int, ...]) -> None:
    scan = rows[0].calibration
    size = scan.pixel_size_nm
    data["time"] = np.array([row.time_s for row in rows])
    data["time"].attrs["units"] = "s"
    for name, length, aspect in (("y", shape[0], scan.pixel_aspect), ("x", shape[1], 1.0)):
        data[name] = np.arange(length) * (size * aspect if size else 1.0)
        data[name].attrs["units"] = "nm" if size else "px"


def _write_notes(entry: Any, recording: Recording, scan: Calibration) -> None:
    instrument = _group(entry, "instrument", "NXinstrument")
    for name, units in (("dwell_us", "us"), ("current_pA", "pA"), ("high_tension_kv", "kV")):
        value = getattr(scan, name)
        if value is not None:
            instrument[name] = value
            instrument[name].attrs["units"] = units
    notes = _group(entry, "livedetect", "NXcollection")
    notes["session"] = to_json(recording.session)
    notes["events"] = "\n".join(to_json(event) for event in recording.events())
