"""What really happened in a stream: read from a case folder or taken from a simulator."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import SourceError
from livedetect.types import TrueDefect

REGION_BLOCK_PX = 4
"""Edge of the blocks on which ``region.npy`` is stored, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Every defect of every frame, and how far from it an event may lie."""

    case: str
    """Name of the stream."""
    frame_count: int
    """Length of the stream, frames."""
    match_radius_px: float
    """An event this near to a defect is a hit, px."""
    neighbour_px: float
    """Distance of nearest columns, px."""
    first_birth_frame: int | None
    """First frame in which something new appears; None in a stream without births."""
    defects: tuple[TrueDefect, ...]
    """One entry per defect and frame."""
    region: NDArray[Any] | None = None
    """Non-zero inside the growing domain, (T, H/4, W/4); None where there is no domain."""
    at_start: tuple[TrueDefect, ...] = ()
    """What the first frame already held, one entry per defect and frame."""


def read_truth(case: Path) -> Truth:
    """Read ``truth.csv``, ``meta.json`` and, where there is one, ``region.npy`` of `case`.

    Raises
    ------
    SourceError : the folder does not hold a readable case.
    """
    case = Path(case)
    try:
        meta = json.loads((case / "meta.json").read_text(encoding="utf-8"))
        with (case / "truth.csv").open(encoding="utf-8", newline="") as lines:
            defects = [_defect(row) for row in csv.DictReader(lines)]
        region = np.load(case / "region.npy") if (case / "region.npy").exists() else None
        return truth_from(meta, defects, region=region)
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(
            f"{case} is no case to score against: {_problem(error)}; it needs truth.csv and "
            "meta.json, as `livedetect simulate SPEC --to FOLDER` writes them"
        ) from error


def _problem(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(error.filename).name} is missing"
    if isinstance(error, OSError):
        return f"{Path(error.filename or '').name} cannot be read: {error.strerror}"
    if isinstance(error, KeyError):
        return f"{error} is not said in it"
    return f"it cannot be understood: {error}"


def truth_from(
    meta: Mapping[str, Any],
    defects: Iterable[TrueDefect],
    *,
    region: NDArray[Any] | None = None,
) -> Truth:
    """Truth of a stream from the contents of its ``meta.json`` and its defects per frame.

    What the first frame holds is no birth: it is kept apart.
    """
    first = meta["first_birth_frame"]
    known = tuple(defects)
    return Truth(
        case=str(meta["case"]),
        frame_count=int(meta["frames"]),
        match_radius_px=float(meta["match_radius_px"]),
        neighbour_px=float(meta["nn_px"]),
        first_birth_frame=None if first is None else int(first),
        defects=tuple(defect for defect in known if defect.birth_frame > 0),
        region=region,
        at_start=tuple(defect for defect in known if defect.birth_frame == 0),
    )


def _defect(row: Mapping[str, str]) -> TrueDefect:
    return TrueDefect(
        frame=int(row["frame"]),
        defect_id=int(row["defect_id"]),
        x_px=float(row["x_px"]),
        y_px=float(row["y_px"]),
        kind=row["kind"],
        birth_frame=int(row["birth_frame"]),
        radius_px=float(row.get("radius_px") or 0),
        snr2=float(row["snr2"]) if row.get("snr2") else None,
        extent_px=float(row.get("extent_px") or 0),
        in_view=bool(int(row.get("in_view") or 1)),
    )
