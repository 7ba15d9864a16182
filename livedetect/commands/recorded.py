"""A SOURCE that is a recorded session: its settings and commands belong to the run as well."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livedetect.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from livedetect.protocols import Source
    from livedetect.settings import Settings
    from livedetect.stream.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A session to be played again."""

    recording: Recording
    """The session."""
    every_frame: bool
    """Analyse the frames that were skipped as well."""
    channel: str | None = None
    """The channel that was named behind ``?``."""

    def is_same_run(self, settings: Settings) -> bool:
        """Whether `settings` will give the recorded events, and so the same ids of defects."""
        return not self.every_frame and settings == self.recording.settings

    def plays_other_channel(self, settings: Settings) -> bool:
        """Whether `settings` ask for a channel that the recorded run did not analyse."""
        from livedetect.protocols import SourceRequest
        from livedetect.stream.playback import other_channel

        request = SourceRequest(
            target=str(self.recording.directory), options=self.channel_option, settings=settings
        )
        return other_channel(self.recording, request) is not None

    @property
    def channel_option(self) -> dict[str, str]:
        """The channel named behind ``?``, as an option of the source."""
        return {"stream": self.channel} if self.channel else {}

    def open(self, settings: Settings, stop: threading.Event) -> Source:
        """Its frames."""
        from livedetect.protocols import SourceRequest
        from livedetect.stream.playback import SessionSource
        from livedetect.stream.registry import OpenedSource

        request = SourceRequest(
            target=str(self.recording.directory),
            options={"all": str(int(self.every_frame)), **self.channel_option},
            settings=settings,
            stop=stop,
            live=False,
        )
        return OpenedSource(SessionSource(request))


def recorded(source: str, *, every_frame: bool = False) -> Recorded | None:
    """The session that `source` names; None for any other source.

    Raises `SourceError` for a damaged session and `SettingsError` where `every_frame` has no
    meaning.
    """
    from pathlib import Path

    from livedetect.stream.registry import resolve

    try:
        scheme, target, options = resolve(source)
    except SourceError:
        # what is wrong with it is told when it is opened, after the settings were checked
        return None
    if scheme == "session":
        from livedetect.stream.recording import Recording

        every_frame = every_frame or options.get("all") == "1"
        return Recorded(
            recording=Recording(Path(target)),
            every_frame=every_frame,
            channel=options.get("stream"),
        )
    if every_frame:
        raise SettingsError(f"--all is for recorded sessions; all of {source} is analysed anyway")
    return None
