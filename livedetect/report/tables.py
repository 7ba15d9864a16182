"""What a report says in words and numbers, each with its unit; no markup."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livedetect.report.notes import RunNotes
from livedetect.types import DefectEvent, Event, Frame

Pairs = list[tuple[str, str]]

EVENT_WORDS = {
    "defect_confirmed": "formed",
    "defect_at_start": "there at start",
    "defect_healed": "healed",
    "defect_migrated": "migrated",
}
LEDGER_WORDS = {
    "scored": "judged",
    "warm_up": "used for warm-up",
    "sent": "sent by the source",
}
ENDING_WORDS = {
    "source_ended": "the source ended",
    "frames": "after the number of frames asked for",
    "idle_timeout": "no frame came any more",
    "command": "by the operator's command",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Heads and rows, all text."""

    heads: Sequence[str]
    """Names of the columns, with units."""
    rows: Sequence[Sequence[str]]
    """Cells in the order of `heads`."""


def quantity(value: float | None, unit: str = "", digits: int = 3) -> str:
    """A number with its unit, ``4.12×10⁵ e/Å²``; a dash if it is not known."""
    if value is None:
        return "–"
    text = f"{value:.{digits}g}"
    if 1 <= abs(value) < 1e5:
        text = f"{float(text):.15g}"
    mantissa, exponent, power = text.partition("e")
    if exponent:
        text = f"{mantissa}×10{str(int(power)).translate(_SUPERSCRIPTS)}"
    return f"{text} {unit}".strip().replace("-", "−")


def headline(notes: RunNotes) -> str:
    """The result in a sentence."""
    if not notes.models:
        return "The run ended before the warm-up was complete; no defects were looked for."
    formed = _counted(notes.confirmed, "defect")
    sentence = f"{formed} formed in {_counted(notes.frames_judged, 'judged frame')}"
    dose = notes.series.latest.dose_e_per_A2 if notes.series.latest else None
    if dose is not None:
        sentence += f", up to a dose of {quantity(dose, 'e/Å²')}"
    further = []
    if notes.at_start:
        further.append(f"{_counted(notes.at_start, 'defect')} already there at the start")
    if notes.healed:
        further.append(f"{notes.healed} healed")
    if notes.outlines:
        further.append(_counted(len(notes.outlines), "region"))
    return sentence + (f"; {', '.join(further)}." if further else ".")


def false_marker_line(notes: RunNotes) -> str:
    """What the false-marker budget means for this run."""
    expected = notes.false_markers_expected
    if not notes.models:
        return "none: no frame was judged"
    if expected is None:
        return "no rate is claimed for this run"
    budget = quantity(float(notes.model["false_markers_per_1000_frames"]))
    return f"{budget} per 1000 frames: {quantity(expected, digits=2)} of the markers here"


def run_pairs(notes: RunNotes) -> Pairs:
    """The run: source, version, end, duration."""
    started, ended = notes.started, notes.ended
    settings = started.get("settings", {})
    return [
        ("source", str(started.get("source", "–"))),
        ("session", str(started.get("session_id", "–"))),
        ("version", f"livedetect {started.get('version', '–')}"),
        ("method", str(notes.model.get("method", settings.get("method", "–")))),
        ("end of the run", _ending(ended)),
        ("duration of the stream", quantity(notes.time_s or None, "s")),
        ("latency (median / 95 % / longest)", _latency(ended.get("latency_ms"))),
        ("expected false markers", false_marker_line(notes)),
    ]


def scan_pairs(notes: RunNotes) -> Pairs:
    """How the specimen was scanned, and the dose."""
    picture = notes.last or notes.first
    if picture is None:
        return []
    scan, latest = picture.frame.calibration, notes.series.latest
    current = quantity(scan.current_pA, "pA")
    said_by = "" if scan.current_pA is None else f" ({scan.current_source})"
    pairs = [
        ("frame", "{1} × {0} px, {2}".format(*picture.frame.data.shape, picture.frame.data.dtype)),
        ("field of view", _field_of_view(picture.frame)),
        ("pixel size", quantity(scan.pixel_size_nm, "nm")),
        ("dwell time", quantity(scan.dwell_us, "µs")),
        ("probe current", current + said_by),
        ("acceleration voltage", quantity(scan.high_tension_kv, "kV")),
        ("dose per frame", quantity(scan.dose_per_frame_e_per_A2, "e/Å²")),
        ("dose in total", quantity(latest.dose_e_per_A2 if latest else None, "e/Å²")),
    ]
    if latest is not None and latest.dose_e_per_A2 is None:
        pairs[-1] = ("exposure in total", quantity(latest.exposure_s_per_nm2, "s/nm²"))
    return pairs


def model_pairs(notes: RunNotes) -> Pairs:
    """The model in use at the end."""
    model = notes.model
    if not model:
        return [("warm-up", "not completed")]
    anew = notes.models[-1].event == "model_refitted"
    used = _counted(int(model.get("frames_used") or 0), "frame")
    return [
        ("learnt anew" if anew else "warm-up", used),
        *([("in use from frame", str(notes.models[-1].frame))] if anew else []),
        ("dose used for it", quantity(model.get("dose_used_e_per_A2"), "e/Å²")),
        ("lattice", _lattice(model)),
        ("sites watched", quantity(model.get("sites"), digits=6)),
        ("threshold of the score", quantity(model.get("threshold"))),
        ("models fitted in this run", str(len(notes.models))),
    ]


def ledger_pairs(notes: RunNotes) -> Pairs:
    """Where the frames went; zeros are left out."""
    return [
        (LEDGER_WORDS.get(key, key), str(count)) for key, count in notes.ledger.items() if count
    ]


def warning_lines(notes: RunNotes) -> list[str]:
    """What the reader must know before trusting the numbers."""
    lines = [str(text) for model in notes.models for text in model.values.get("warnings") or ()]
    if not notes.ended:
        lines.append("The run was cut short: there is no closing entry, counts may be incomplete.")
    elif notes.ended.get("status") not in ("success", None):
        lines.append(f"The run did not end by itself: {_ending(notes.ended)}.")
    if notes.left_out:
        lines.append(f"{notes.left_out} further events are left out of the tables below.")
    return list(dict.fromkeys(lines))


def defect_table(notes: RunNotes) -> Table:
    """Every defect event, in the order in which they happened."""
    heads = ["defect", "event", "frame", "delay / frames", "x, y / px", "x, y / nm", "kind"]
    heads += ["score", "p", "dose / (e/Å²)", "region"]
    return Table(heads=heads, rows=[_defect_row(event) for event in notes.defects])


def region_table(notes: RunNotes) -> Table:
    """Every region."""
    rows = [
        [
            str(outline.event.region_id),
            outline.event.kind,
            str(outline.event.frame),
            quantity(outline.event.area_nm2),
            _centre(outline.event.polygon_px),
        ]
        for outline in notes.outlines
    ]
    return Table(heads=["region", "kind", "frame", "area / nm²", "centre x, y / px"], rows=rows)


def phase_table(notes: RunNotes) -> Table:
    """What the engine was doing from when on."""
    rows = [
        [str(frame), quantity(time_s), phase.value.replace("_", " ")]
        for frame, time_s, phase in notes.phases
    ]
    return Table(heads=["from frame", "time / s", "phase"], rows=rows)


def notice_table(notes: RunNotes) -> Table:
    """Gaps, rejected frames, drift, commands, alarms."""
    rows = [
        [str(event.frame), quantity(event.time_s), event.event.replace("_", " "), _values(event)]
        for event in notes.notices
    ]
    return Table(heads=["frame", "time / s", "notice", "what was said"], rows=rows)


def setting_pairs(notes: RunNotes) -> Pairs:
    """Settings of the run in dotted form."""
    return _flat(notes.started.get("settings", {}), "")


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _ending(ended: Mapping[str, Any]) -> str:
    reason = str(ended.get("reason") or "")
    words = [ended.get("status"), ENDING_WORDS.get(reason, reason), ended.get("message")]
    return ": ".join(str(word) for word in words if word) or "not recorded"


def _latency(latency: Mapping[str, float | None] | None) -> str:
    values = [(latency or {}).get(key) for key in ("p50", "p95", "max")]
    return " / ".join(quantity(value) for value in values) + " ms" if any(values) else "–"


def _field_of_view(frame: Frame) -> str:
    scan = frame.calibration
    if scan.pixel_size_nm is None:
        return "–"
    height_px, width_px = frame.data.shape
    width_nm = width_px * scan.pixel_size_nm
    height_nm = height_px * scan.pixel_size_nm * scan.pixel_aspect
    return f"{quantity(width_nm)} × {quantity(height_nm)} nm"


def _lattice(model: Mapping[str, Any]) -> str:
    for key, unit in (("lattice_nm", "nm"), ("lattice_px", "px")):
        if model.get(key) is not None:
            vectors = np.atleast_2d(np.asarray(model[key], dtype=float))
            lengths = np.hypot(*vectors.T) if vectors.shape[-1] == 2 else vectors.ravel()
            return ", ".join(quantity(float(length), digits=4) for length in lengths) + f" {unit}"
    return "none found" if model.get("fallback") else "–"


def _defect_row(event: DefectEvent) -> list[str]:
    kind = event.kind.replace("_", " ")
    if event.kind != "unknown":
        kind += f" ({100 * event.confidence:.0f} %)"
    place_nm = "–"
    if event.x_nm is not None and event.y_nm is not None:
        place_nm = f"{event.x_nm:.3f}, {event.y_nm:.3f}"
    delay = str(event.frame - event.first_seen_frame)
    note = " (warm-up)" if event.during_warm_up else ""
    return [
        str(event.defect_id),
        EVENT_WORDS.get(event.event, event.event) + note,
        str(event.frame),
        delay if event.event == "defect_confirmed" else "–",
        f"{event.x_px:.1f}, {event.y_px:.1f}",
        place_nm.replace("-", "−"),
        kind,
        quantity(event.score),
        quantity(event.p_value, digits=2),
        quantity(event.dose_e_per_A2),
        "–" if event.region_id is None else str(event.region_id),
    ]


def _centre(polygon_px: Sequence[tuple[float, float]]) -> str:
    x_px, y_px = np.mean(np.asarray(polygon_px, dtype=float).reshape(-1, 2), axis=0)
    return f"{x_px:.1f}, {y_px:.1f}"


def _values(event: Event) -> str:
    shown = {
        key: value
        for key, value in event.as_dict().items()
        if key not in Event.__dataclass_fields__ and value is not None
    }
    reason = str(shown.pop("message", None) or shown.pop("reason", ""))
    rest = ", ".join(f"{key} {_plain(value)}" for key, value in shown.items())
    return "; ".join(part for part in (reason, rest) if part)


def _flat(values: Mapping[str, Any], prefix: str) -> Pairs:
    pairs: Pairs = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, _plain(value)))
    return pairs


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
