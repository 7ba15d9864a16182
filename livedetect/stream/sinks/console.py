"""The run on the terminal: a live status where there is one, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from livedetect.stream.sinks.words import ledger_lines, sentence, status_line
from livedetect.stream.status import SessionStatus
from livedetect.types import Event, FrameResult, Phase

STATUS_EVERY_FRAMES = 50
_REFRESH_S = 0.1


def console_sink(stream: TextIO) -> PlainConsole:
    """The console that suits `stream`: live on a terminal, plain lines otherwise."""
    return LiveConsole(stream) if stream.isatty() else PlainConsole(stream)


class PlainConsole:
    """Phase changes, each defect, and a status line every 50 frames."""

    known_as = "the terminal"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: tuple[Phase, bool] | None = None
        self._defects = self._at_start = 0
        self._result: FrameResult | None = None
        self._status = SessionStatus()
        self._said_at_frame = 0
        self._turned_away = ""
        self._repeats = 0

    def on_result(self, result: FrameResult) -> None:
        """Say what happened in this frame."""
        self._result = result
        if result.disposition in ("warm_up", "scored", "integrated"):
            self._end_of_repeats()
        at_start = sum(event.event == "defect_at_start" for event in result.events)
        for event in result.events:
            self._say_event(event)
        if at_start:
            self._defects += at_start
            self._at_start += at_start
            were = "defect was" if at_start == 1 else "defects were"
            self._say(f"Frame {result.frame}: {at_start} {were} there from the start")
        state = (result.phase, _is_about_to_learn(result))
        if state != self._told:
            self._told = state
            self._say(f"Frame {result.frame}: {_phase(result)}")

    def on_event(self, event: Event) -> None:
        """Say what the session has to say."""
        values = event.as_dict()
        if event.event == "run_started":
            self._say(f"Watching {values['source']}")
        elif event.event == "run_ended":
            self._finish(values)
        else:
            self._say_event(event)

    def on_status(self, status: SessionStatus) -> None:
        """Show the status, every 50 frames."""
        self._status = status
        if status.frame - self._said_at_frame >= STATUS_EVERY_FRAMES:
            self._said_at_frame = status.frame
            self._say(status_line(self._status_values()))

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _finish(self, values: dict[str, Any]) -> None:
        self._end_of_repeats()
        for line in ledger_lines(values):
            self._say(line)
        since = self._defects - self._at_start
        parts = f" ({self._at_start} from the start, {since} since)" if self._at_start else ""
        self._say(f"Defects marked: {self._defects}{parts}.")

    def _say_event(self, event: Event) -> None:
        self._defects += event.event == "defect_confirmed"
        said = sentence(event)
        if said is not None and not self._is_repeated(event, said):
            self._say(said)

    def _is_repeated(self, event: Event, said: str) -> bool:
        """The frames before were turned away for the same: a line each would tell nothing more."""
        if event.event != "frame_rejected":
            return False
        words = said.partition(": ")[2]
        if words == self._turned_away:
            self._repeats += 1
            return True
        self._end_of_repeats()
        self._turned_away = words
        return False

    def _end_of_repeats(self) -> None:
        repeats, self._repeats, self._turned_away = self._repeats, 0, ""
        if repeats:
            self._say(f"And {repeats} more frame{'s' * (repeats > 1)} for the same reason")

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def _phase_words(self) -> str:
        return "no frames coming" if self._status.stale else _phase(self._result)

    def _status_values(self) -> dict[str, str]:
        result, status = self._result, self._status
        latency, dose = status.last_latency_ms, result.dose_e_per_A2 if result else None
        ledger = status.ledger
        return {
            "frame": str(status.frame),
            "phase": self._phase_words(),
            **(
                {"ALARM": f"{status.alarm_value:.4g}"}
                if status.alarm_value and status.alarm
                else {}
            ),
            "defects": str(self._defects),
            "dose": "unknown" if dose is None else f"{dose:.3g} e/Å²",
            "frames/s": f"{status.frames_per_s:.1f}",
            "lost": str(ledger.get("missing", 0) + ledger.get("skipped", 0)),
            "latency": "–" if latency is None else f"{latency:.1f} ms",
        }


class LiveConsole(PlainConsole):
    """One status line that stays at the bottom; what happens scrolls by above it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._console = Console(file=stream, highlight=False)
        self._live: Live | None = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._drawn_s = 0.0
        self._drawn_phase = ""
        self._live.start()

    def on_status(self, status: SessionStatus) -> None:
        """Redraw the status, ten times a second at most, and at once for another phase."""
        self._status = status
        now, phase = time.monotonic(), self._phase_words()
        # what stands there when the crystal is to be learnt stays for the seconds that this takes
        due = phase != self._drawn_phase or now - self._drawn_s >= _REFRESH_S
        if self._live is not None and due:
            self._drawn_s, self._drawn_phase = now, phase
            self._live.update(self._drawing(), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _finish(self, values: dict[str, Any]) -> None:
        self.close()
        super()._finish(values)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def _drawing(self) -> Text:
        # one line, cut at its end where the terminal is narrow: two would jump about
        style = "bold red" if self._status.alarm else ""
        text = Text(style=style, no_wrap=True, overflow="ellipsis")
        for name, value in self._status_values().items():
            text.append(f" {name} ", style="dim")
            text.append(value, style="bold")
        return text


def _phase(result: FrameResult | None) -> str:
    if result is None:
        return "waiting for frames"
    if result.phase is not Phase.WARMING_UP:
        return _PHASES[result.phase]
    done, wanted = result.warm_up_done, result.warm_up_frames
    if not _is_about_to_learn(result):
        return f"warming up {done}/{wanted}"
    return _LEARNING if done >= wanted else f"warming up {done}/{wanted}, then {_LEARNING}"


def _is_about_to_learn(result: FrameResult) -> bool:
    """The next frame is the last of the warm-up: its result comes when all is learnt."""
    wanted = result.warm_up_frames
    return result.phase is Phase.WARMING_UP and wanted > 0 and result.warm_up_done >= wanted - 1


_LEARNING = "learning the crystal…"
_PHASES = {
    Phase.WAITING: "waiting for frames",
    Phase.LIVE: "live",
    Phase.DRIFTED: "drifted: the crystal no longer looks as learnt, consider a new baseline",
    Phase.ENDED: "ended",
}
