"""Defects, events and markers as files for other programs. No Qt here."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livedetect.stream.event_names import ANNOUNCED
from livedetect.viewer.markers import STYLES

COLUMNS = (
    "defect_id",
    "event",
    "frame",
    "first_seen_frame",
    "time_s",
    "dose_e_per_A2",
    "x_px",
    "y_px",
    "x_nm",
    "y_nm",
    "kind",
    "confidence",
    "score",
    "p_value",
    "dismissed",
)
_HYPERSPY = (
    "import json, hyperspy.api as hs; "
    "s.add_marker(hs.plot.markers.Points(**json.load(open('markers.json'))['Points']))"
)


def write_csv(path: Path, events: Sequence[Mapping[str, Any]], dismissed: set[int]) -> None:
    """One line for each defect, as it was announced."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for event in events:
            if event["event"] in ANNOUNCED:
                writer.writerow({**event, "dismissed": int(event["defect_id"] in dismissed)})


def write_json(path: Path, history: Mapping[str, Any]) -> None:
    """Everything that is known of the run: events, counts, model."""
    kept = {name: value for name, value in history.items() if name != "latest"}
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def write_markers(path: Path, tracks: Mapping[str, list[Any]], pixel_size_nm: float | None) -> None:
    """The markers of one image, as the arguments of ``hyperspy.api.plot.markers.Points``.

    Positions are in the units of the image's axes: nm where the pixel size is known, else px.
    """
    scale = pixel_size_nm or 1.0
    places = zip(tracks["x_px"], tracks["y_px"], strict=True)
    styles = [STYLES.get(kind, STYLES["unknown"]) for kind in tracks["kind"]]
    points = {
        "offsets": [[x * scale, y * scale] for x, y in places],
        "sizes": 10,
        "facecolors": "none",
        "edgecolors": [color for _, color in styles],
        "linewidths": 1.5,
    }
    units = "nm" if pixel_size_nm else "px"
    told = {"how": _HYPERSPY, "units": units, "kinds": tracks["kind"], "Points": points}
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")
