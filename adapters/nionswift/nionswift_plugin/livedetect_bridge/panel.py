"""The panel in Swift: start and stop, how it is going, markers, and the alarm."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from nion.swift import Panel, Workspace
from nion.ui import Declarative
from nion.utils import Model

from nionswift_plugin.livedetect_bridge import settings as bridge_settings
from nionswift_plugin.livedetect_bridge.alarm import Duty
from nionswift_plugin.livedetect_bridge.bridge import Bridge, BridgeStatus

PANEL_ID = "livedetect-panel"
TITLE = "livedetect"
PERIOD_S = 0.25
ACTION_TEXTS = (
    "do what livedetect asks for",
    "only tell me",
    "blank the beam",
    "blank the beam, then stop the scan",
)
_WIDTH = 290


class BridgeView(Declarative.Handler):
    """Models of the panel's widgets, and what their buttons do."""

    def __init__(self, bridge: Bridge, event_loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._bridge = bridge
        told = bridge.settings
        self.state_text = Model.PropertyModel("")
        self.frames_text = Model.PropertyModel("")
        self.engine_text = Model.PropertyModel("")
        self.alarm_text = Model.PropertyModel("")
        self.button_text = Model.PropertyModel("Start streaming")
        self.frames_address = Model.PropertyModel(told.frames)
        self.results_address = Model.PropertyModel(told.results)
        self.markers = Model.PropertyModel(told.markers)
        self.action_index = Model.PropertyModel(bridge_settings.ACTIONS.index(told.action))
        self.armed = Model.PropertyModel(value=False)
        self.ui_view = _layout()
        self._task = event_loop.create_task(self._refresh())

    def close(self) -> None:
        """The panel goes away; the bridge stays."""
        self._task.cancel()
        super().close()

    # -- what the widgets do ---------------------------------------------------------------

    def toggle_streaming(self, widget: Any) -> None:  # noqa: ARG002 - Swift gives it
        """Start or stop, with the addresses as they stand in the panel."""
        if self._bridge.status().streaming:
            self._bridge.stop()
            self.armed.value = False
        else:
            frames, results = self.frames_address.value, self.results_address.value
            self._remember(frames=str(frames).strip(), results=str(results).strip())
            self._bridge.start()
        self.show(self._bridge.status())

    def markers_changed(self, widget: Any, checked: bool) -> None:  # noqa: ARG002
        """Show or hide the rings."""
        self._remember(markers=checked)

    def remove_markers(self, widget: Any) -> None:  # noqa: ARG002
        """Take all rings off; new results bring new ones."""
        self._bridge.remove_markers()

    def action_changed(self, widget: Any, current_index: int) -> None:  # noqa: ARG002
        """Choose what an alarm does."""
        self._remember(action=bridge_settings.ACTIONS[current_index])

    def armed_changed(self, widget: Any, checked: bool) -> None:  # noqa: ARG002
        """Arm or disarm."""
        self._bridge.arm(armed=checked)
        self.show(self._bridge.status())

    def _remember(self, **values: Any) -> None:
        before = self._bridge.settings
        self._bridge.change(**values)
        # widgets also call when they are filled, and the environment's settings are not to stay
        chosen = {name: v for name, v in values.items() if v != getattr(before, name)}
        if chosen:
            bridge_settings.remember(chosen)

    # -- what the panel shows --------------------------------------------------------------

    async def _refresh(self) -> None:
        while True:
            self.show(self._bridge.status())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), PERIOD_S)

    def show(self, status: BridgeStatus) -> None:
        """Write `status` into the panel."""
        self.button_text.value = "Stop streaming" if status.streaming else "Start streaming"
        self.state_text.value = state_text(status)
        self.frames_text.value = frames_text(status)
        self.engine_text.value = engine_text(status)
        self.alarm_text.value = alarm_text(status)
        self.armed.value = status.duty is not Duty.DISARMED


def state_text(status: BridgeStatus) -> str:
    """First line: whether frames go out."""
    if status.trouble:
        return f"Not streaming: {status.trouble}"
    if not status.streaming:
        return "Not streaming"
    listeners = {0: "nobody listens", 1: "one program listens"}
    known = listeners.get(status.listeners, f"{status.listeners} programs listen")
    return f"Streaming, {known}"


def frames_text(status: BridgeStatus) -> str:
    """Second line: what became of the frames."""
    counts = status.counts
    lost = [(counts.get(name, 0), name) for name in ("dropped", "torn", "unsuitable", "fault")]
    told = "".join(f", {count} {name}" for count, name in lost if count)
    return f"Frames: {counts.get('sent', 0)} sent{told}"


def engine_text(status: BridgeStatus) -> str:
    """Third line: the engine and its markers."""
    if not status.streaming:
        return "Engine: –"
    if not status.engine:
        return "Engine: not heard; start it with  livedetect run"
    phase = status.engine.replace("_", " ")
    defects = "1 defect" if status.markers == 1 else f"{status.markers} defects"
    return f"Engine: {phase}, {defects} marked"


def alarm_text(status: BridgeStatus) -> str:
    """Last line: arming, and what was done last."""
    told = f"\n{status.last_action}" if status.last_action else ""
    alone = status.duty is Duty.ARMED and not status.engine
    return f"Alarm: {status.duty.value}{', but no engine is heard' if alone else ''}{told}"


def _layout() -> Any:
    u = Declarative.DeclarativeUI()

    def bound(name: str) -> str:
        return f"@binding({name}.value)"

    def line(name: str) -> Any:
        return u.create_label(text=bound(name), word_wrap=True, width=_WIDTH)

    def address(title: str, name: str) -> Any:
        edit = u.create_line_edit(text=bound(name), width=200)
        return u.create_row(u.create_label(text=title, width=84), edit, u.create_stretch())

    start = u.create_push_button(text=bound("button_text"), on_clicked="toggle_streaming")
    remove = u.create_push_button(text="Remove markers", on_clicked="remove_markers")
    markers = u.create_check_box(
        text="Markers", checked=bound("markers"), on_checked_changed="markers_changed"
    )
    action = u.create_combo_box(
        items=list(ACTION_TEXTS),
        current_index=bound("action_index"),
        on_current_index_changed="action_changed",
    )
    armed = u.create_check_box(
        text="Arm the alarm, for this session",
        checked=bound("armed"),
        on_checked_changed="armed_changed",
    )
    return u.create_column(
        u.create_row(start, u.create_stretch()),
        line("state_text"),
        line("frames_text"),
        line("engine_text"),
        u.create_row(armed, u.create_stretch()),
        line("alarm_text"),
        u.create_row(u.create_label(text="On alarm", width=84), action, u.create_stretch()),
        u.create_row(markers, remove, u.create_stretch(), spacing=8),
        address("Frames to", "frames_address"),
        address("Results from", "results_address"),
        u.create_stretch(),
        spacing=6,
        margin=8,
    )


class LivedetectPanel(Panel.Panel):
    """Swift's frame around `BridgeView`."""

    def __init__(self, document_controller: Any, panel_id: str, properties: Any) -> None:
        super().__init__(document_controller, panel_id, TITLE)
        view = BridgeView(properties["bridge"], document_controller.event_loop)
        widget = Declarative.DeclarativeWidget(
            document_controller.ui, document_controller.event_loop, view
        )
        column = self.ui.create_column_widget()
        column.add(widget)
        self.widget = column


def register(bridge: Bridge) -> None:
    """Offer the panel in Swift's Window menu; it opens on the right."""
    Workspace.WorkspaceManager().register_panel(
        LivedetectPanel, PANEL_ID, TITLE, ["left", "right"], "right", {"bridge": bridge}
    )


def unregister() -> None:
    """Take the panel back."""
    Workspace.WorkspaceManager().unregister_panel(PANEL_ID)
