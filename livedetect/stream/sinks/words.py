"""Events in a microscopist's words, one line each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from livedetect.types import Event

_QUIET_REJECTIONS = frozenset(["skipped", "duplicate"])


def sentence(event: Event) -> str | None:
    """One line on `event`, or None for what a reader need not be told one by one."""
    values = event.as_dict()
    words = _SENTENCES.get(event.event, _other)
    said = words(values)
    return None if said is None else f"Frame {event.frame}: {said}"


def ledger_lines(values: Mapping[str, Any]) -> list[str]:
    """The end of a run in a few lines, from the values of `run_ended`."""
    ledger, latency = values["ledger"], values["latency_ms"]
    within = ledger.get("integrated", 0)
    lines = [
        f"{_ENDINGS.get(values['reason'], 'Ended')} after {ledger['received']} frames: "
        f"{ledger['warm_up']} for warm-up, {ledger['scored']} analysed"
        + (f", {within} summed up with them." if within else ".")
    ]
    turned_away = [
        f"{ledger[name]} {label}" for name, label in _TURNED_AWAY.items() if ledger[name]
    ]
    if turned_away:
        lines.append(f"Not analysed: {', '.join(turned_away)}.")
    if latency["p50"] is not None:
        lines.append(
            f"From frame to result: {latency['p50']:.1f} ms (half of the frames), "
            f"{latency['p95']:.1f} ms (95 %), {latency['max']:.1f} ms (longest)."
        )
    return lines


def status_line(values: Mapping[str, Any]) -> str:
    """The state of the session in one line, from names and values in their order."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _model_ready(values: Mapping[str, Any]) -> str:
    count = values.get("frames_used", "?")
    lattice = values.get("lattice_nm")
    size = f", lattice {_lengths(lattice)} nm" if lattice else ""
    warnings = "".join(f"; warning: {warning}" for warning in values.get("warnings", ()))
    sites = f"{values.get('sites', '?')} sites watched"
    if values.get("sites") == 0:
        warnings += "; warning: nothing is watched, check roi and exclude"
    what = "usual look of the frames, without a lattice," if values.get("fallback") else "crystal"
    return f"{what} learnt from {count} frames{size}; {sites}{warnings}"


def _lengths(lattice: Any) -> str:
    """Lengths of the lattice vectors, which come as [[x, y], [x, y]]."""
    return " × ".join(f"{math.hypot(*vector):.3f}" for vector in lattice)


def _defect(values: Mapping[str, Any]) -> str:
    early = ", formed during warm-up" if values["during_warm_up"] else ""
    score = "" if values["score"] is None else f", score {values['score']:.1f}"
    region = "" if values["region_id"] is None else f", marks region {values['region_id']}"
    return (
        f"defect {values['defect_id']} ({_kind(values)}) at {_place(values)}{score}, "
        f"first seen in frame {values['first_seen_frame']}{early}{region}"
    )


def _kind(values: Mapping[str, Any]) -> str:
    name = str(values["kind"]).replace("_", " ")
    return name if name == "unknown" else f"{name}, {100 * values['confidence']:.0f} % sure"


def _place(values: Mapping[str, Any]) -> str:
    return f"x {values['x_px']:.1f}, y {values['y_px']:.1f} px"


def _region(values: Mapping[str, Any]) -> str:
    area = values["area_nm2"]
    size = f" of {area:.2f} nm²" if area else ""
    return f"region {values['region_id']} ({str(values['kind']).replace('_', ' ')}){size}"


def _gap(values: Mapping[str, Any]) -> str:
    first, count = values.get("first_missing", "?"), values.get("missing_frames", "?")
    return f"{count} frames from {first} on never came ({values.get('reason', 'missing')})"


def _rejected(values: Mapping[str, Any]) -> str | None:
    reason = values.get("reason", "")
    if reason in _QUIET_REJECTIONS:
        return None
    return f"not analysed, {reason}: {values.get('message', '')}".removesuffix(": ")


def _alarm(values: Mapping[str, Any]) -> str:
    action = values.get("action", "none").replace("_", " ")
    value = values.get("value")
    number = "?" if value is None else f"{value:.4g}"
    return (
        f"ALARM, {values.get('rule', '').replace('_', ' ')} {number} reached the limit "
        f"{values.get('limit'):g} (action: {action})"
    )


def _command(values: Mapping[str, Any]) -> str:
    fault = values.get("error")
    return f"command {values.get('name')}" + (f" refused: {fault}" if fault else "")


def _source_changed(values: Mapping[str, Any]) -> str:
    pairs = {name: pair for name, pair in values.items() if isinstance(pair, list)}
    told = [_change(name, *pair) for name, pair in pairs.items() if len(pair) == 2]
    return _other(values) + (f": {', '.join(told)}" if told else "")


def _change(name: str, before: Any, now: Any) -> str:
    """``size 512 × 512 became 256 × 256 px``."""
    if name == "shape":
        sizes = [" × ".join(str(edge) for edge in reversed(shape)) for shape in (before, now)]
        return f"size {sizes[0]} became {sizes[1]} px"
    return f"{name.replace('_', ' ')} {_or_unknown(before)} became {_or_unknown(now)}"


def _or_unknown(value: Any) -> Any:
    return "unknown" if value is None or value == "" else value


def _other(values: Mapping[str, Any]) -> str:
    reason = values.get("reason") or values.get("message")
    name = str(values["event"]).replace("_", " ")
    return name + (f" ({reason})" if reason else "")


def _nothing(_: Mapping[str, Any]) -> None:
    return None


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "run_started": _nothing,
    "run_ended": _nothing,
    "model_ready": _model_ready,
    "defect_confirmed": _defect,
    "defect_at_start": _nothing,
    "defect_healed": lambda values: f"defect {values['defect_id']} healed",
    "defect_migrated": lambda values: f"defect {values['defect_id']} moved to {_place(values)}",
    "region_confirmed": _region,
    "gap": _gap,
    "frame_rejected": _rejected,
    "alarm": _alarm,
    "source_changed": _source_changed,
    "command": _command,
}
_ENDINGS = {
    "source_ended": "The source ended",
    "frames": "Ended as asked",
    "idle_timeout": "Ended, as no more frames came,",
    "command": "Stopped by the operator",
    "interrupted": "Interrupted",
    "failed": "Failed",
}
_TURNED_AWAY = {
    "missing": "never arrived",
    "skipped": "skipped to keep up",
    "invalid": "unreadable",
    "suspect": "incomplete or saturated",
    "duplicate": "came twice",
    "late": "came too late",
    "pending": "still waiting",
}
