"""One viewer's connection to the engine: pulls what is newest, draws it, carries commands.

Nothing is pushed into the GUI: a timer of the widget calls `LiveSession.pull`, and what came
in between is skipped. The session outlives a dock that is closed and opened again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from livedetect.errors import LivedetectError
from livedetect.stream.client import DEFAULT_ENDPOINT, Preview, ResultsClient
from livedetect.viewer.engine_process import EngineProcess
from livedetect.viewer.layers import LiveLayers
from livedetect.viewer.markers import base_diameter_px, markers_of
from livedetect.viewer.panel import AlarmLine, Displayed, Panel, panel_of

_RATE_S = 3.0
_STOP_PATIENCE_S = 5.0
_PLOT_PERIOD_S = 0.2


@dataclass(frozen=True, slots=True)
class View:
    """What the widget shows after a pull."""

    panel: Panel
    """The texts."""
    series: Mapping[str, list[Any]] | None
    """The counts of the run, if they have changed."""
    alarm_count: float | None
    """Where the plot's alarm line is, if there is one."""


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

    @property
    def endpoint(self) -> str:
        """Where the engine is looked for."""
        return self._client.endpoint

    @property
    def engine_running(self) -> bool:
        """An engine that was started from here runs."""
        return self._engine is not None and self._engine.running

    def attach(self, endpoint: str) -> None:
        """Follow the engine at another endpoint; raises `SettingsError` if it is malformed."""
        client = ResultsClient(endpoint)
        self._client.close()
        self._client = client
        self._plot_is_old, self._plot_due_s = True, 0.0
        self._layers.clear_markers()

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
        if update.restarted:
            self._alarm = AlarmLine()
        self._alarm.follow(update.events)
        state = self._client.state()
        if update.preview is not None:
            self._draw(update.preview, state["model"])
        self._watch_requests()
        self._watch_engine()
        self._plot_is_old |= update.changed
        panel = panel_of(update.link, update.message, self.endpoint, state, self._displayed())
        return View(panel, self._series_if_due(), self._alarm.count)

    def _series_if_due(self) -> Mapping[str, list[Any]] | None:
        now_s = time.monotonic()
        if not self._plot_is_old or now_s < self._plot_due_s:
            return None
        self._plot_is_old, self._plot_due_s = False, now_s + _PLOT_PERIOD_S
        return self._client.series()

    def _draw(self, preview: Preview, model: Mapping[str, Any]) -> None:
        header = preview.header
        shape = (header["frame_shape"][0], header["frame_shape"][1])
        diameter = base_diameter_px(model, shape)
        self._layers.show(preview, markers_of(header["tracks"], header["frame"], shape, diameter))
        self.images_drawn += 1
        self.drawn = preview
        self._drawn_at_s.append(time.monotonic())

    def _displayed(self) -> Displayed:
        now_s = time.monotonic()
        recent = sum(now_s - at_s < _RATE_S for at_s in self._drawn_at_s)
        return Displayed(images=self.images_drawn, per_s=recent / _RATE_S)

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
        self._client.close()
        if self._engine is not None:
            self._engine.end()
            self._engine = None


_SESSIONS: dict[int, LiveSession] = {}


def session_of(viewer: Any, endpoint: str | None = None) -> LiveSession:
    """The session of a napari viewer, made when it is first asked for."""
    key = id(getattr(viewer, "__wrapped__", viewer))
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
