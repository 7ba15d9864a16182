"""What the session view says of a step and of the whole session. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livedetect.viewer.panel import Tone
from livedetect.viewer.recorded_overlay import Agreement
from livedetect.viewer.recorded_timeline import Step

_FATES: dict[str, tuple[str, Tone]] = {
    "warm_up": ("warm-up: the crystal is being learnt", "busy"),
    "scored": ("analysed", "good"),
    "integrated": ("summed with those that follow", "good"),
    "skipped": ("skipped: the engine was busy, not analysed", "warning"),
    "suspect": ("suspect, not analysed", "warning"),
    "invalid": ("invalid, not analysed", "bad"),
    "duplicate": ("duplicate, not analysed", "idle"),
    "late": ("came too late, not analysed", "warning"),
    "pending": ("recorded, not analysed yet", "idle"),
}


def step_title(step: Step) -> tuple[str, Tone]:
    """The frame and what became of it, and how that is coloured."""
    row = step.row
    if row.kind == "gap":
        last = row.index + row.missing_frames - 1
        frames = f"Frame {row.index}" if last <= row.index else f"Frames {row.index} to {last}"
        return f"{frames} · missing, never received", "warning"
    fate, tone = _FATES.get(row.disposition, (row.disposition, "idle"))
    if row.disposition == "scored" and row.details.get("phase") == "drifted":
        fate, tone = "analysed, but the crystal has changed (drifted)", "warning"
    return f"Frame {row.index} · {fate}", tone


def step_notes(step: Step) -> str:
    """Why a frame was turned away or has no pixels; empty if all is well."""
    row, told = step.row, step.row.details
    if row.kind == "gap":
        return f"The image is empty: {told.get('reason') or 'these frames are missing'}."
    notes = [str(told[name]) for name in ("message", "source_message") if told.get(name)]
    if not step.has_pixels:
        lost = told.get("lost") or "its pixels were not recorded"
        notes.append(f"The image is empty: {lost}.")
    return " ".join(dict.fromkeys(notes))


def step_rows(step: Step) -> tuple[tuple[str, str], ...]:
    """Name and value of the smaller figures of a step."""
    row = step.row
    dose = row.details.get("dose_e_per_A2")
    drift = f"{step.drift_px[0]:.1f}, {step.drift_px[1]:.1f} px"
    return (
        ("Time", f"{row.time_s:.2f} s"),
        ("Dose", "unknown" if dose is None else f"{dose:.4g} e/Å²"),
        ("Drift x, y", drift),
    )


def agreement_words(agreed: Agreement) -> str:
    """Counts of what both analyses, or one of them, have announced so far."""
    return f"both {agreed.both} · only session {agreed.only_a} · only other {agreed.only_b}"


def session_summary(
    dispositions: Mapping[str, int], end: Mapping[str, Any] | None, *, grows: bool, directory: str
) -> str:
    """One or two lines on the whole session: how it ended, what became of its frames."""
    fates = ", ".join(
        f"{count} {name.replace('_', '-')}" for name, count in dispositions.items() if count
    )
    return f"{_ending(end, grows=grows, directory=directory)} {fates}".strip()


def _ending(end: Mapping[str, Any] | None, *, grows: bool, directory: str) -> str:
    if end is None and grows:
        return "Being recorded; new frames appear by themselves."
    if end is None:
        return (
            "Not closed: it is still being recorded or was cut off. If nothing records it any "
            f"more, `livedetect recover {directory}` puts it in order."
        )
    return {
        "success": "Complete.",
        "abort": "Ended by the operator.",
        "recovered": "Recovered after it was cut off.",
        "recording_stopped": f"The recording stopped early: {end.get('reason', '')}.",
    }.get(str(end.get("status")), f"Failed: {end.get('message') or end.get('reason', '')}.")
