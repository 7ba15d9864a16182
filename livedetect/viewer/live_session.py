"""One viewer's connection to the engine: pulls what is newest, draws it, carries commands.

Nothing is pushed into the GUI: a timer of the widget calls `LiveSession.pull`, and what came
in between is skipped. The session outlives a dock that is closed and opened again.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedetect.errors import LivedetectError
from livedetect.settings import AlarmSettings
from livedetect.stream.client import DEFAULT_ENDPOINT, Preview, ResultsClient, Update
from livedetect.viewer.dry_run import dry_run, in_words, told
from livedetect.viewer.engine_process import EngineProcess
from livedetect.viewer.export import write_csv, write_json, write_markers
from livedetect.viewer.inspections import Inspections
from livedetect.viewer.layers import LiveLayers
from livedetect.viewer.markers import (
    Markers,
    base_diameter_px,
    dimmed,
    joined,
    markers_of,
    nearest_marker,
    with_selected,
)
from livedetect.viewer.napari_seam import viewer_key
from livedetect.viewer.offer import Offer
from livedetect.viewer.outlines import Outlines
from livedetect.viewer.panel import AlarmLine, Displayed, Panel, panel_of
from livedetect.viewer.phases_in_view import PhasesInView

_RATE_S = 3.0
_STOP_PATIENCE_S = 5.0
_PLOT_PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """What the widget shows after a pull."""

    panel: Panel
    """The texts."""
    series: Mapping[str, list[Any]] | None
    """The counts of the run, if they have changed."""
    alarm_count: float | None
    """Where the plot's alarm line is, if there is one."""
    events: tuple[Mapping[str, Any], ...]
    """Events that have come since the last pull."""
    restarted: bool
    """`events` are all there are: the run is another one, or was fetched again."""


class LiveSession:
    """The state of the live view of one napari viewer; used by the GUI thread only."""

    def __init__(self, viewer: Any, endpoint: str = DEFAULT_ENDPOINT) -> None:
        self._layers = LiveLayers(viewer)
        self._client = ResultsClient(endpoint)
        self._alarm = AlarmLine()
        self._engine: EngineProcess | None = None
        self._engine_deadline_s: float | None = None
        self._drawn_at_s: deque[float] = deque(maxlen=200)
        self.images_drawn = 0
        """Images drawn so far."""
        self.drawn: Preview | None = None
        """What is shown; None before the first image."""
        self._plot_is_old, self._plot_due_s = True, 0.0
        self._requests: dict[str, Future[dict[str, Any]]] = {}
        self.complaint = ""
        """What went wrong last, for the operator; empty if nothing did."""
        self.inspections = Inspections()
        """Pictures of the defects of this run."""
        self._selected: int | None = None
        self._going_to: int | None = None
        self._frozen = False
        self._dismissed: set[int] = set()
        self._held: Preview | None = None
        self._epoch = ""
        self._diameter_px = 16.0
        self._outlines = Outlines()
        self._phases = PhasesInView()
        self._offer = Offer()

    @property
    def endpoint(self) -> str:
        """Where the engine is looked for."""
        return self._client.endpoint

    @property
    def engine_running(self) -> bool:
        """An engine that was started from here runs."""
        return self._engine is not None and self._engine.running

    @property
    def frozen(self) -> bool:
        """The image stays as it is; the panel goes on."""
        return self._frozen

    def toggle_frozen(self) -> None:
        """Freeze the view, or go on with the newest image."""
        self._frozen = not self._frozen and self.drawn is not None
        if not self._frozen and self._held is not None:
            self._draw(self._held, self._client.state()["model"])
            self._held = None

    def toggle_following(self) -> bool:
        """Go with the drift, or keep the frame still; returns what holds now."""
        self._layers.follows_drift = not self._layers.follows_drift
        return self._layers.follows_drift

    def toggle_phases(self) -> None:
        """Show or hide the outlines of the phases in view."""
        if self._layers.toggle_phases() is None:
            self.complaint = "no phases to outline: the crystal in view is of one kind"

    def show_whole(self) -> None:
        """Let the frame fill the canvas."""
        self._layers.show_whole()

    @property
    def selected(self) -> int | None:
        """The defect_id that is looked at."""
        return self._selected

    def select(self, defect_id: int | None, *, centre: bool = False) -> None:
        """Look at a defect: ring it, fetch its pictures and, with `centre`, go there."""
        self._selected, self._going_to = defect_id, None
        if self.drawn is not None:
            self._layers.show_markers(self._markers(self.drawn))
        if defect_id is None:
            return
        self.inspections.wish(defect_id)
        self._going_to = defect_id if centre else None
        self._go()

    def _go(self) -> None:
        """Centre on the defect that was chosen, once an image shows it."""
        place = None if self._going_to is None else self.place_of(self._going_to)
        if place is not None:
            self._layers.centre_on(*place)
            self._going_to = None

    def place_of(self, defect_id: int) -> tuple[float, float] | None:
        """(y, x) of a defect in the image that is drawn, px; None if it is not held there."""
        for name in ("tracks", "dismissed"):
            columns = self.drawn.header.get(name) if self.drawn is not None else None
            if columns and defect_id in columns["defect_id"]:
                at = columns["defect_id"].index(defect_id)
                return float(columns["y_px"][at]), float(columns["x_px"][at])
        return None

    def defect_at(self, y_px: float, x_px: float) -> int | None:
        """The defect whose marker is drawn at a place of the frame."""
        return None if self.drawn is None else nearest_marker(self._markers(self.drawn), y_px, x_px)

    def judge(self, *, dismissed: bool) -> None:
        """Accept or dismiss the defect that is looked at."""
        if self._selected is None:
            self.complaint = "choose a marker first: click it, or go there with N and P"
            return
        self.command("dismiss" if dismissed else "accept", defect_id=self._selected)

    @property
    def offer(self) -> str:
        """That an earlier area can be taken up, in words; empty if there is none."""
        return self._offer.words

    def return_to_area(self) -> None:
        """Take up the earlier area that the engine has offered, with its defects and dose."""
        if self._offer.area_id is None:
            self.complaint = "no earlier area is on offer: the stage has not come back to one"
            return
        self.command("return_to_area", area_id=self._offer.area_id)

    def try_alarm(self, alarm: AlarmSettings) -> str:
        """What a rule would have done so far, in a sentence."""
        return told(alarm, dry_run(alarm, self._client.history(), self._watched_nm2()))

    @property
    def alarm_in_force(self) -> str:
        """The rule that the engine follows, in a few words."""
        return in_words(self._alarm.rule, self._alarm.limit)

    def _watched_nm2(self) -> float | None:
        size_nm = None if self.drawn is None else self.drawn.header.get("pixel_size_nm")
        if self.drawn is None or not size_nm:
            return None
        rows, columns = self.drawn.header["frame_shape"]
        watched = self.drawn.watched
        share = 1.0 if watched is None else float(watched[0].mean())
        return float(rows * columns * share * size_nm**2)

    def export(self, directory: Path) -> list[Path]:
        """Write defects.csv, events.json and markers.json; raises `OSError`."""
        directory.mkdir(parents=True, exist_ok=True)
        history = self._client.history()
        written = [directory / name for name in ("defects.csv", "events.json", "markers.json")]
        write_csv(written[0], history["events"], self._dismissed)
        write_json(written[1], history)
        if self.drawn is None:
            return written[:2]
        header = self.drawn.header
        write_markers(written[2], header["tracks"], header.get("pixel_size_nm"))
        return written

    def events(self) -> list[dict[str, Any]]:
        """All events of the run that are kept."""
        return list(self._client.history()["events"])

    def attach(self, endpoint: str) -> None:
        """Follow the engine at another endpoint; raises `SettingsError` if it is malformed."""
        client = ResultsClient(endpoint)
        self._client.close()
        self._client = client
        self._plot_is_old, self._plot_due_s = True, 0.0
        self._layers.clear()
        self.drawn = None
        self._forget_run()

    def _forget_run(self) -> None:
        self.inspections = Inspections()
        self._selected, self._frozen, self._held = None, False, None
        self._dismissed, self._outlines, self._phases = set(), Outlines(), PhasesInView()
        self._epoch, self._offer = "", Offer()

    def launch(self, source: str) -> None:
        """Start an engine on `source` that publishes where this session listens."""
        self.complaint = ""
        if self.engine_running:
            self.complaint = "the engine is running already: stop it first"
            return
        try:
            self._engine = EngineProcess(source, self.endpoint)
        except OSError as error:
            self.complaint = f"the engine cannot be started: {error}"

    def command(self, name: str, **args: Any) -> None:
        """Send a command; a refusal becomes the `complaint` of a later pull."""
        self.complaint = ""
        try:
            self._requests[name] = self._client.submit(name, **args)
        except LivedetectError as error:
            self.complaint = str(error)

    def stop(self) -> None:
        """Stop the run; an engine of our own that does not obey is ended."""
        if self.engine_running:
            self._engine_deadline_s = time.monotonic() + _STOP_PATIENCE_S
        self.command("stop")

    def pull(self) -> View:
        """Draw the newest image and tell the texts that go with it; a few milliseconds."""
        update = self._client.take()
        state = self._client.state()
        self._follow(update, state)
        if update.preview is not None and self._frozen:
            self._held = update.preview
        elif update.preview is not None:
            self._draw(update.preview, state["model"])
        self._inspect(state["latest"])
        self._watch_requests()
        self._watch_engine()
        self._plot_is_old |= update.changed
        panel = panel_of(update.link, update.message, self.endpoint, state, self._displayed())
        return View(
            panel, self._series_if_due(), self._alarm.count, update.events, update.restarted
        )

    def _follow(self, update: Update, state: Mapping[str, Any]) -> None:
        """Take in the events of an update; nothing of an earlier run is kept."""
        epoch = str(state["latest"].get("epoch", ""))
        if update.restarted:
            self._alarm, self._dismissed, self._offer = AlarmLine(), set(), Offer()
            if self._epoch not in ("", epoch):
                self._forget_run()
            self._epoch = epoch
        self._alarm.follow(update.events)
        self._offer.follow(update.events)
        for event in update.events:
            self._follow_event(event)

    def _follow_event(self, event: Mapping[str, Any]) -> None:
        self._outlines.follow(event)
        self._phases.follow(event)
        if event["event"] == "command" and event.get("ok", True):
            defect_id = (event.get("args") or {}).get("defect_id")
            if isinstance(defect_id, int) and event.get("name") == "dismiss":
                self._dismissed.add(defect_id)
            elif isinstance(defect_id, int) and event.get("name") == "accept":
                self._dismissed.discard(defect_id)

    def _inspect(self, latest: Mapping[str, Any]) -> None:
        if self.drawn is not None and latest.get("phase") in ("live", "drifted"):
            tracks, frame = self.drawn.header["tracks"], self.drawn.header["frame"]
            self.inspections.pull(tracks, frame, self._ask)

    def _ask(self, defect_id: int) -> Future[dict[str, Any]]:
        return self._client.submit("inspect", defect_id=defect_id)

    def _series_if_due(self) -> Mapping[str, list[Any]] | None:
        now_s = time.monotonic()
        if not self._plot_is_old or now_s < self._plot_due_s:
            return None
        self._plot_is_old, self._plot_due_s = False, now_s + _PLOT_PERIOD_S
        return self._client.series()

    def _draw(self, preview: Preview, model: Mapping[str, Any]) -> None:
        shape = (preview.header["frame_shape"][0], preview.header["frame_shape"][1])
        self._diameter_px = base_diameter_px(model, shape)
        header = preview.header
        regions, phases = self._outlines.of(header), self._phases.outlines(header)
        self._layers.show(preview, self._markers(preview), regions, phases)
        self.images_drawn += 1
        self.drawn = preview
        self._go()
        self._drawn_at_s.append(time.monotonic())

    def _markers(self, preview: Preview) -> Markers:
        """The markers that belong to an image, dismissed ones dimmed, the chosen one ringed."""
        header = preview.header
        shape, frame = (header["frame_shape"][0], header["frame_shape"][1]), header["frame"]
        markers = markers_of(header["tracks"], frame, shape, self._diameter_px)
        if header.get("dismissed"):
            faint = markers_of(header["dismissed"], frame, shape, self._diameter_px)
            markers = joined(dimmed(faint), markers)
        return with_selected(markers, self._selected)

    def _displayed(self) -> Displayed:
        now_s = time.monotonic()
        recent = sum(now_s - at_s < _RATE_S for at_s in self._drawn_at_s)
        header = self.drawn.header if self.drawn is not None else None
        return Displayed(
            images=self.images_drawn,
            per_s=recent / _RATE_S,
            frozen_at=header["frame"] if self._frozen and header else None,
            dismissed=len(self._dismissed),
            kinds=tuple(header["tracks"]["kind"]) if header else None,
            phases=self._phases.shares,
        )

    def _watch_requests(self) -> None:
        for name in [name for name, future in self._requests.items() if future.done()]:
            error = self._requests.pop(name).exception()
            if error is not None:
                self.complaint = f"{name}: {error}"

    def _watch_engine(self) -> None:
        if self._engine is None:
            return
        if not self._engine.running:
            self.complaint = self._engine.failure or self.complaint
            self._engine.end()
            self._engine = self._engine_deadline_s = None
        elif self._engine_deadline_s is not None and time.monotonic() > self._engine_deadline_s:
            self._engine.end()

    def close(self) -> None:
        """Detach, and end an engine that was started from here; may be called twice."""
        if self.engine_running and self._engine is not None:
            # asked first, for on Windows a process that is ended cannot close its session
            with contextlib.suppress(LivedetectError):
                self._client.submit("stop")
                self._engine.wait(_STOP_PATIENCE_S)
        self._client.close()
        if self._engine is not None:
            self._engine.end()
            self._engine = None


_SESSIONS: dict[int, LiveSession] = {}


def session_of(viewer: Any, endpoint: str | None = None) -> LiveSession:
    """The session of a napari viewer, made when it is first asked for."""
    key = viewer_key(viewer)
    if key not in _SESSIONS:
        _SESSIONS[key] = LiveSession(viewer, endpoint or DEFAULT_ENDPOINT)
    elif endpoint is not None and endpoint != _SESSIONS[key].endpoint:
        _SESSIONS[key].attach(endpoint)
    return _SESSIONS[key]


def close_session(session: LiveSession) -> None:
    """End a session when its viewer goes."""
    for key in [key for key, known in _SESSIONS.items() if known is session]:
        del _SESSIONS[key]
    session.close()
