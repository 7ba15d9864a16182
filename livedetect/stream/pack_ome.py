"""What a packed OME-TIFF says of its planes: their times, numbers, and what is not among them.

OME-XML has room for the time of a plane (``DeltaT``) and none for the number of a frame, so the
numbers stand in a map annotation, in the order of the planes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from livedetect.stream.recording import Recording, Row

NAMESPACE = "livedetect/frames"
"""Of the map annotation that numbers the planes."""


def ome_metadata(recording: Recording, rows: Sequence[Row]) -> dict[str, Any]:
    """What OME-XML says of the frames `rows`, which are the planes, as tifffile takes it."""
    metadata: dict[str, Any] = {"axes": "TYX"} | _pixel_size(rows[0])
    if len(rows) > 1:
        interval_s = (rows[-1].time_s - rows[0].time_s) / (len(rows) - 1)
        metadata |= {"TimeIncrement": interval_s, "TimeIncrementUnit": "s"}
    metadata["Plane"] = {
        "DeltaT": [row.time_s for row in rows],
        "DeltaTUnit": ["s"] * len(rows),
    }
    metadata["MapAnnotation"] = {
        "Namespace": NAMESPACE,
        "Description": "Numbers of the frames as the source counts them, one for each plane",
        "Value": _numbers(recording, rows),
    }
    return metadata


def _pixel_size(row: Row) -> dict[str, Any]:
    scan = row.calibration
    if scan.pixel_size_nm is None:
        return {}
    return {
        "PhysicalSizeX": scan.pixel_size_nm,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": scan.pixel_size_nm * scan.pixel_aspect,
        "PhysicalSizeYUnit": "nm",
    }


def _numbers(recording: Recording, rows: Sequence[Row]) -> Mapping[str, str]:
    """The annotation: lists with blanks between, ranges of missing frames as ``first-last``."""
    told = {
        "session": str(recording.session.get("session_id", "")),
        "channel": str(rows[0].details.get("stream", "")),
        "frame_numbers": " ".join(str(row.index) for row in rows),
        "dispositions": " ".join(row.disposition for row in rows),
    }
    if rows[0].disposition != "none":  # channels that are not analysed have no ledger
        told |= _not_here(recording.rows(), {row.position for row in rows})
    return {name: text for name, text in told.items() if text}


def _not_here(every: Iterable[Row], here: set[int]) -> dict[str, str]:
    """Frames that never came, and those that came and are no planes of this file."""
    gaps, late, elsewhere = [], [], []
    for row in every:
        if row.kind == "gap":
            gaps.append((row.index, row.index + row.missing_frames))
        elif row.kind in ("frame", "rejection") and row.position not in here:
            elsewhere.append(f"{row.index}:{row.disposition}")
        if row.disposition == "late":
            late.append(row.index)
    return {
        "missing_frames": " ".join(_without(gaps, sorted(late))),
        "frames_not_in_this_file": " ".join(elsewhere),
    }


def _without(gaps: Iterable[tuple[int, int]], late: Sequence[int]) -> Iterator[str]:
    """The half-open ranges `gaps` less the numbers `late`, as ``first-last`` or a number."""
    for start, end in gaps:
        first = start
        for number in (*(number for number in late if start <= number < end), end):
            if number > first:
                yield f"{first}-{number - 1}" if number - 1 > first else str(first)
            first = number + 1
