"""Puts a session together from what the user asked for, runs it, and gives the exit code."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from livedetect.commands.dose_hint import DoseHint
from livedetect.commands.folders import make_folder_for, make_folder_to_fill
from livedetect.commands.options import RunOptions
from livedetect.commands.overwriting import spare_all_but_events, spare_all_but_logs
from livedetect.commands.telling import tell
from livedetect.commands.viewer_program import ViewerProgram, wants_view
from livedetect.loading import without_collecting
from livedetect.settings import Settings

if TYPE_CHECKING:
    from livedetect.commands.recorded import Recorded
    from livedetect.protocols import Engine, FrameTap, ResultSink, Source
    from livedetect.stream.outcome import RunOutcome
    from livedetect.stream.publish import ResultsPublisher
    from livedetect.stream.record import Recorder
    from livedetect.stream.session import SessionOptions
    from livedetect.stream.status import CommandSource

EXIT_CODES = {"success": 0, "fail": 1, "abort": 130}
NOWHERE = "none"
STANDARD_OUTPUT = "-"

OpenSource = Callable[[Settings, threading.Event], "Source"]


@dataclass(slots=True, kw_only=True)
class Listeners:
    """Everybody who listens to the session."""

    taps: list[FrameTap] = field(default_factory=list)
    """See the frames."""
    sinks: list[ResultSink] = field(default_factory=list)
    """See the results."""
    commands: list[CommandSource] = field(default_factory=list)
    """Bring commands."""
    recorder: Recorder | None = None
    """The one among them that records, if there is one."""

    def add_recorder(self, directory: Path) -> None:
        """Record the session in `directory`."""
        from livedetect.stream.record import Recorder

        make_folder_for(directory, "--record", tell)
        self.recorder = Recorder(directory, tell)
        # first of all, so that an interrupted session is closed before reports are written
        self.taps.insert(0, self.recorder)
        self.sinks.insert(0, self.recorder)

    def add_recorded(self, recorded: Recorded, settings: Settings) -> None:
        """Bring back the commands of a recorded session."""
        from livedetect.stream.playback import RecordedCommands

        if recorded.plays_other_channel(settings):
            return
        same_run = recorded.is_same_run(settings)
        commands = RecordedCommands(recorded.recording, same_run=same_run)
        self.commands.append(commands)
        self.taps.append(commands)
        self.sinks.append(commands)

    def add_report(self, directory: Path) -> None:
        """Leave a report in `directory`; raises `SettingsError` if nothing can be put there."""
        from livedetect.report.collector import ReportCollector

        make_folder_to_fill(directory, "--report", tell)
        collector = ReportCollector(directory)
        self.taps.append(collector)
        self.sinks.append(collector)

    def add_publisher(self, publisher: ResultsPublisher) -> None:
        """Publish frames and results, and take commands."""
        if self.recorder is not None:
            publisher.tell_recording(self.recorder.room)
        self.commands.append(publisher)
        self.taps.append(publisher)
        self.sinks.append(publisher)

    def close(self) -> None:
        """For a session that never began."""
        for sink in self.sinks:
            sink.close()


def play(
    open_source: OpenSource,
    options: RunOptions,
    stop: threading.Event,
    *,
    offer: bool = False,
    keep_viewer: bool = True,
    recorded: Recorded | None = None,
) -> int:
    """Run a session over what `open_source` opens; returns the exit code.

    With `offer`, results are published at the default address if it is free, so that a
    viewer can be started later. The viewer is left open unless the run was interrupted or
    `keep_viewer` is false. `recorded` is the session that is played again, if it is one.
    """
    from livedetect.stream.session import run_session

    if options.log is not None:
        make_folder_for(options.log, "--log", tell)
        spare_all_but_logs(options.log)
    options.start_log()
    settings = options.settings(recorded.recording.settings if recorded else None)
    view = wants_view(viewing(options))
    listeners = listeners_of(options)
    listeners.taps.append(hint := DoseHint())
    viewer: ViewerProgram | None = None
    try:
        if options.record is not None:
            listeners.add_recorder(options.record)
        if recorded is not None:
            listeners.add_recorded(recorded, settings)
        publisher = publisher_for(options.publish, view=view, offer=offer)
        if publisher is not None:
            listeners.add_publisher(publisher)
        engine = detector(settings)
        source = open_source(settings, stop)
    except BaseException:
        listeners.close()
        raise
    for remark in remarks(source, settings):
        tell(f"livedetect: {remark}")
    if view and publisher is not None:
        viewer = ViewerProgram(publisher.viewer_endpoint)
        await_viewer(viewer, publisher, source, stop)
    wishes = session_options(settings, options, listeners, stop)
    outcome = run_session(
        source, engine, taps=listeners.taps, sinks=listeners.sinks, options=wishes
    )
    conclude(outcome, options)
    if hint.line:
        tell(hint.line)
    if viewer is not None:
        leave_viewer(viewer, keep=keep_viewer and outcome.status != "abort")
    return EXIT_CODES[outcome.status] or int(bool(outcome.faults))


def viewing(options: RunOptions) -> bool | None:
    """The user's word on the viewer; raises `SettingsError` where it contradicts itself."""
    if options.publish != NOWHERE or options.view is False:
        return options.view
    if options.view:
        from livedetect.errors import SettingsError

        raise SettingsError(
            "--view and --publish none exclude each other: the viewer lives on what is published; "
            "leave one of them out"
        )
    return False


def remarks(source: Source, settings: Settings) -> list[str]:
    """What the user should know before the run, in sentences."""
    told = [source.info.remark] if source.info.remark else []
    if settings.stream and not source.info.has_channels:
        told.append(f"stream={settings.stream} has no effect: {source.info.name} has one channel")
    return told


def await_viewer(
    viewer: ViewerProgram, publisher: ResultsPublisher, source: Source, stop: threading.Event
) -> None:
    """Let a finite source wait for the viewer: it would be over before the window is open."""
    if source.info.live:
        return
    tell("Opening the viewer ...")
    attached = viewer.wait_until_attached(publisher.wait_for_listener, stop)
    if not attached and not stop.is_set():
        tell("The viewer did not open; `livedetect view` tells why. Going on without it.")


def leave_viewer(viewer: ViewerProgram, *, keep: bool) -> None:
    """Close the viewer, or say that it stays."""
    if not keep:
        if viewer.running:
            tell("Closing the viewer. `livedetect view` opens one that stays.")
        viewer.close()
    elif viewer.running:
        tell("The viewer stays open; close its window when you are done.")


def listeners_of(options: RunOptions) -> Listeners:
    """The terminal, and the events and report that were asked for."""
    from livedetect.stream.sinks.console import console_sink
    from livedetect.stream.sinks.jsonl import JsonLinesSink

    listeners = Listeners()
    if options.events is not None:
        make_folder_for(Path(options.events), "--events", tell)
        if options.events != STANDARD_OUTPUT:
            spare_all_but_events(Path(options.events))
        listeners.sinks.append(JsonLinesSink(options.events))
    listeners.sinks.append(console_sink(sys.stderr))
    if options.report is not None:
        listeners.add_report(options.report)
    return listeners


def publisher_for(
    wanted: str | None, *, view: bool, offer: bool = False
) -> ResultsPublisher | None:
    """A publisher where one was asked for or a viewer needs it; raises `EndpointError`."""
    if wanted == NOWHERE and not view:
        return None
    if wanted is None and not view and not offer:
        return None
    from livedetect.errors import EndpointError
    from livedetect.stream.endpoints import DEFAULT_ENDPOINT
    from livedetect.stream.publish import ResultsPublisher

    if wanted not in (None, NOWHERE):
        return ResultsPublisher(str(wanted))
    try:
        return ResultsPublisher(DEFAULT_ENDPOINT)
    except EndpointError:
        # another livedetect is running: a viewer of our own finds us at any port
        return ResultsPublisher("tcp://127.0.0.1:0") if view else None


def detector(settings: Settings) -> Engine:
    """A fresh detector, its numerics compiled."""
    with without_collecting():
        from livedetect.commands.preparation import prepare_numerics
        from livedetect.detect.integration import engine_for
    prepare_numerics(tell)
    return engine_for(settings)


def session_options(
    settings: Settings, options: RunOptions, listeners: Listeners, stop: threading.Event
) -> SessionOptions:
    """What the session must know of the user's wishes."""
    from livedetect.stream.session import SessionOptions

    return SessionOptions(
        settings=settings,
        stop=stop,
        frames=options.frames,
        idle_timeout_s=options.idle_timeout,
        commands=listeners.commands,
    )


def conclude(outcome: RunOutcome, options: RunOptions) -> None:
    """Tell the user what the terminal's own summary does not say."""
    if outcome.message:
        tell(f"livedetect: {outcome.message}")
    for fault in dict.fromkeys(outcome.faults):
        tell(f"livedetect: left out after a fault: {fault}")
    if any(outcome.not_taken.values()):
        tell(f"livedetect: {messages_not_taken(outcome.not_taken, options)}")
    if outcome.reason == "failed" and options.log is None:
        tell("With --log FILE the same command leaves the details of a fault.")
    if options.report is not None and (options.report / "report.html").exists():
        tell(f"Report: {options.report / 'report.html'}")


def messages_not_taken(counts: Mapping[str, int], options: RunOptions) -> str:
    """Messages of the source that were no frames of the analysed channel, in a sentence."""
    fate = "recorded" if options.record else "not recorded"
    words = {
        "other_channels": f"frames of other channels ({fate}, not analysed)",
        "foreign": "that are no frames",
        "other_version": "of another version of the protocol",
        "stray": "of a producer that had been replaced",
        "repeated_rows": "with rows that came twice or too late",
    }
    told = [f"{count} {words.get(name, name)}" for name, count in counts.items() if count]
    return f"Messages left aside: {', '.join(told)}."
