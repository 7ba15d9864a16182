"""The truth on disk: ``truth.csv``, ``meta.json`` and, where a domain grows, ``region.npy``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from livedetect.types import TrueDefect
from livedetect_simulators.imaging import detected_mean, incident_per_px

if TYPE_CHECKING:
    from livedetect_simulators.simulation import Simulation

MATCH_NEIGHBOURS = 0.6
"""An event this near to a defect is a hit, in distances of nearest columns."""
HEADER = (
    "frame",
    "defect_id",
    "x_px",
    "y_px",
    "kind",
    "birth_frame",
    "radius_px",
    "snr2",
    "extent_px",
    "in_view",
)


def describe(simulation: Simulation) -> dict[str, Any]:
    """What ``meta.json`` says about a simulated stream."""
    settings, crystal = simulation.settings, simulation.crystal
    births = simulation.births
    return {
        "case": f"{settings.crystal}_seed{settings.seed}",
        "source": "simulated",
        "pixel_size_nm": round(simulation.pixel_size_nm, 7),
        "first_birth_frame": min(births.values(), default=None),
        "n_defects": len(births),
        "match_radius_px": round(MATCH_NEIGHBOURS * crystal.neighbour_px, 3),
        "nn_px": round(crystal.neighbour_px, 3),
        "lattice_px": np.round(crystal.cell_px, 4).tolist(),
        "tests": _purpose(simulation),
        "kind": "domain" if settings.domain != "none" else "points" if births else "null",
        "seed": settings.seed,
        "frames": settings.frames,
        "detected_e_per_px": detected_mean(settings),
        "collection": detected_mean(settings) / incident_per_px(settings),
        "current_pA": settings.current_pA,
        "dwell_us": settings.pixel_dwell_us,
        "dose_per_frame_e_per_A2": simulation.calibration.dose_per_frame_e_per_A2,
        "spec": settings.as_dict(),
    }


def _purpose(simulation: Simulation) -> str:
    settings = simulation.settings
    if settings.domain != "none":
        return f"growing {settings.domain} domain"
    return "births of defects" if simulation.births else "false alarms on a lasting crystal"


def write_truth(
    directory: Path,
    meta: Mapping[str, Any],
    defects: Iterable[TrueDefect],
    region: NDArray[np.uint8] | None,
) -> None:
    """Write the truth of a stream beside its frames.

    Defects of the first frame are left out, as nothing that a detector should announce.
    """
    rows = [_row(defect) for defect in defects if defect.birth_frame > 0]
    with (directory / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)
    write_meta(directory, meta)
    if region is not None:
        np.save(directory / "region.npy", region, allow_pickle=False)


def write_meta(directory: Path, meta: Mapping[str, Any]) -> None:
    """Write ``meta.json``, under a temporary name first, since a reader may be waiting for it."""
    text = json.dumps(meta, indent=1, ensure_ascii=False)
    partial = directory / "meta.json.part"
    partial.write_text(text, encoding="utf-8")
    partial.replace(directory / "meta.json")


def _row(defect: TrueDefect) -> tuple[Any, ...]:
    return (
        defect.frame,
        defect.defect_id,
        round(defect.x_px, 2),
        round(defect.y_px, 2),
        defect.kind,
        defect.birth_frame,
        round(defect.radius_px, 1),
        "" if defect.snr2 is None else round(defect.snr2, 1),
        round(defect.extent_px, 1),
        int(defect.in_view),
    )
