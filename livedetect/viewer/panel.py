"""What the operator reads: the panel's texts, made from the engine's state. No Qt here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livedetect.stream.client import Link
from livedetect.viewer.markers import legend_of
from livedetect.viewer.phases_in_view import with_phases

LITTLE_ROOM_BYTES = 2e9
_NOT_ANALYSED = ("skipped", "invalid", "suspect", "duplicate", "late")

Tone = Literal["idle", "busy", "good", "warning", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """What the display itself has done."""

    images: int = 0
    """Images drawn so far."""
    per_s: float = 0.0
    """Images drawn per second, recently."""
    frozen_at: int | None = None
    """The frame at which the operator has frozen the view."""
    dismissed: int = 0
    """Markers that the operator has dismissed so far."""
    kinds: tuple[str, ...] | None = None
    """Kinds of the markers that are drawn; None before the first image."""
    phases: tuple[float, ...] = ()
    """Shares of the field, 0 to 1, of the phases that are outlined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Texts of the panel, ready to be set."""

    banner: str
    """The phase, or the state of the connection."""
    tone: Tone
    """How the banner is coloured; the text says it as well."""
    flags: str
    """Stale, alarm; empty if neither."""
    defects: str
    """Total, and new since the baseline."""
    rows: tuple[tuple[str, str], ...]
    """Name and value of the smaller figures."""
    legend: str
    """Signs and numbers of the kinds that are held now, rich text."""
    note: str
    """Lines on what can be trusted, or empty."""
    lamps: tuple[tuple[str, Tone], ...] = ()
    """Source and recording: what the lamp says, and its colour."""
    running: bool = False
    """There is a run that takes commands."""


def panel_of(
    link: Link, message: str, endpoint: str, state: Mapping[str, Any], displayed: Displayed
) -> Panel:
    """The panel for the client's `state` (see `ResultsClient.state`)."""
    banner, tone = _banner(link, message, endpoint, state)
    counts = state["counts"]
    kinds = displayed.kinds
    if kinds is None:
        kinds = tuple((state["latest"].get("tracks") or {}).get("kind", ()))
    return Panel(
        banner=banner,
        tone=tone,
        flags=_flags({} if state["end"] else state["latest"], displayed),
        defects=f"{counts['total']} defects · {counts['new']} new",
        rows=_rows(state["latest"], displayed),
        legend=with_phases(legend_of(list(kinds)), displayed.phases),
        note=_note(state, displayed),
        lamps=(_source_lamp(link, state), _recording_lamp(link, state)),
        running=link is Link.ATTACHED and not state["end"],
    )


def _banner(link: Link, message: str, endpoint: str, state: Mapping[str, Any]) -> tuple[str, Tone]:
    if link is Link.WAITING:
        return f"waiting for engine at {endpoint}", "idle"
    if link is Link.INCOMPATIBLE:
        return message, "bad"
    if state["end"]:
        return _end_banner(state["end"])
    latest = state["latest"]
    phase = str(latest.get("phase", "waiting"))
    if link is Link.SILENT:
        return f"engine silent since frame {latest.get('frame', '–')} · {endpoint}", "bad"
    return _phase_banner(phase, latest)


def _end_banner(end: Mapping[str, Any]) -> tuple[str, Tone]:
    texts: dict[Any, tuple[str, Tone]] = {
        "fail": (f"FAILED · {end.get('message') or 'see the log'}", "bad"),
        "abort": ("ENDED · interrupted", "warning"),
    }
    return texts.get(end.get("status"), ("ENDED", "idle"))


def _phase_banner(phase: str, latest: Mapping[str, Any]) -> tuple[str, Tone]:
    if phase == "warming_up":
        warm_up = latest.get("warm_up") or {}
        return f"WARMING UP {warm_up.get('done', '–')} / {warm_up.get('wanted', '–')}", "busy"
    texts: dict[str, tuple[str, Tone]] = {
        "waiting": ("WAITING for the first frame", "idle"),
        "live": ("LIVE", "good"),
        "drifted": ("DRIFTED · set a new baseline", "warning"),
    }
    return texts.get(phase, (phase.upper(), "idle"))


def _flags(latest: Mapping[str, Any], displayed: Displayed) -> str:
    flags = latest.get("flags") or {}
    raised = []
    if displayed.frozen_at is not None:
        raised.append(f"VIEW FROZEN at frame {displayed.frozen_at} · F resumes")
    if flags.get("alarm"):
        value = latest.get("alarm_value")
        raised.append("ALARM" if value is None else f"ALARM at {_number(value)}")
    if flags.get("stale"):
        raised.append("STALE · no frame is coming")
    return " · ".join(raised)


def _rows(latest: Mapping[str, Any], displayed: Displayed) -> tuple[tuple[str, str], ...]:
    ledger = latest.get("ledger") or {}
    rates = latest.get("rates") or {}
    latency = (latest.get("latency_ms") or {}).get("last")
    received = f"{ledger.get('received', 0)} · {_number(rates.get('frames_per_s'))} /s"
    dose = latest.get("dose_e_per_A2")
    return (
        ("Received", received),
        ("Displayed", f"{displayed.images} · {_number(displayed.per_s)} /s"),
        ("Not analysed", str(sum(ledger.get(fate, 0) for fate in _NOT_ANALYSED))),
        ("Lost", str(latest.get("lost_frames", 0))),
        ("Latency", "–" if latency is None else f"{_number(latency)} ms"),
        ("Dose", "unknown" if dose is None else f"{_number(dose)} e/Å²"),
    )


def _source_lamp(link: Link, state: Mapping[str, Any]) -> tuple[str, Tone]:
    latest = state["latest"]
    if link is Link.WAITING or link is Link.INCOMPATIBLE:
        return "no engine", "idle"
    if state["end"]:
        return "source ended", "idle"
    if link is Link.SILENT:
        return "engine silent", "bad"
    if (latest.get("flags") or {}).get("stale"):
        return "no frames", "bad"
    return ("no frame yet", "idle") if latest.get("frame", -1) < 0 else ("frames coming", "good")


def _recording_lamp(link: Link, state: Mapping[str, Any]) -> tuple[str, Tone]:
    told = state["latest"].get("recording")
    if not isinstance(told, Mapping) or link in (Link.WAITING, Link.INCOMPATIBLE):
        return "not recording", "idle"
    if told.get("state") != "on":
        return "RECORDING STOPPED", "bad"
    free = told.get("free_bytes")
    if not isinstance(free, (int, float)):
        return "recording", "good"
    text = f"{free / 1e9:.3g} GB free"
    if state["end"]:
        return f"recorded · {text}", "idle"
    return f"recording · {text}", "warning" if free < LITTLE_ROOM_BYTES else "good"


def _note(state: Mapping[str, Any], displayed: Displayed) -> str:
    model = state["model"]
    warnings = model.get("warnings")
    if isinstance(warnings, list) and warnings:
        return str(warnings[0])
    lines = []
    if not state["end"]:  # there is room for three lines
        sensitivity = state["latest"].get("sensitivity") or model.get("sensitivity")
        lines.append(seen_at_this_signal(sensitivity))
    budget = model.get("false_markers_per_1000_frames")
    if budget is not None:
        realised = _realised(displayed.dismissed, state["latest"].get("ledger") or {})
        lines.append(f"False markers in 1000 frames: budget {_number(budget)}; {realised}")
    if state["end"]:
        lines.append("The run has ended; this window stays until you close it.")
    return "\n".join(filter(None, lines))


def _realised(dismissed: int, ledger: Mapping[str, Any]) -> str:
    """What the operator has found to be false; nobody else can know it."""
    scored = ledger.get("scored")
    if not dismissed or not isinstance(scored, int) or scored < 1:
        return f"dismissed by you {dismissed}"
    return f"dismissed by you {1000 * dismissed / scored:.2g} ({dismissed} in {scored})"


def seen_at_this_signal(sensitivity: Any) -> str:
    """What can be seen: kind -> frames needed, None where it is not reliable; empty if unknown."""
    if not isinstance(sensitivity, Mapping):
        return ""
    kinds: dict[float | None, list[str]] = {}
    for kind, needed in sensitivity.items():
        frames = float(needed) if isinstance(needed, (int, float)) else None
        kinds.setdefault(frames, []).append(str(kind).replace("_", " "))
    first_to_last = sorted(kinds.items(), key=lambda pair: (pair[0] is None, pair[0] or 0.0))
    told = [f"{', '.join(named)} {_within(frames)}" for frames, named in first_to_last]
    return "Seen at this signal: " + "; ".join(told) if told else ""


def _within(frames: float | None) -> str:
    if frames is None:
        return "not reliably"
    return f"within {frames:.0f} frame{'s' * (frames != 1)}"


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "–"
    if abs(value) >= 1e5:
        return f"{value:.2e}"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


class AlarmLine:
    """The count at which the alarm is raised, followed through settings and commands."""

    def __init__(self) -> None:
        self._alarm: dict[str, Any] = {}

    def follow(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events in their order."""
        for event in events:
            settings, args = event.get("settings"), event.get("args")
            if event.get("event") == "run_started" and isinstance(settings, Mapping):
                alarm = settings.get("alarm")
                self._alarm = dict(alarm) if isinstance(alarm, Mapping) else {}
            elif event.get("name") == "set_alarm" and isinstance(args, Mapping):
                # a refused command changes nothing
                self._alarm |= args if event.get("ok", True) else {}

    @property
    def rule(self) -> str | None:
        """The rule in force."""
        rule = self._alarm.get("rule")
        return rule if isinstance(rule, str) else None

    @property
    def limit(self) -> float | None:
        """Its limit."""
        limit = self._alarm.get("limit")
        return float(limit) if isinstance(limit, (int, float)) else None

    @property
    def count(self) -> float | None:
        """The limit, if the rule is a count of defects."""
        limit = self._alarm.get("limit")
        is_count = self._alarm.get("rule") == "count" and isinstance(limit, (int, float))
        return float(limit) if is_count and limit is not None else None
