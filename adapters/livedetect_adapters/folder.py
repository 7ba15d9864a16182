"""The source ``folder``: one frame per file, or growing stacks, in the order of their numbers.

Sub-folders are not searched (a ``.zarr`` array counts as a file). With ``live`` the folder is
watched until `stop` is set; a folder that cannot be listed for a while (a share that is away)
is waited for. Without ``live`` the files present now are read and the source ends.

Every file ends as frames, or as a `Rejection` that says why (unreadable, cut, deleted, late,
a duplicate), except those that `folder_names.counts` ignores, renamed files that were read
under their old name, files that change without changing their first frame or length, and
frames of another channel than the analysed one (`Settings.stream`, else the first seen), where
the files name it.
Indexes count up in the order of delivery; missing file numbers are no gaps, because many
programs number in steps.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from livedetect.errors import SettingsError, SourceError
from livedetect.protocols import Source, SourceRequest
from livedetect.stream.registry import suffixes
from livedetect.types import Frame, SourceInfo, SourceItem
from livedetect_adapters import calibration as cal
from livedetect_adapters.folder_inbox import Inbox, Timing
from livedetect_adapters.folder_intake import Intake, simulated_stack
from livedetect_adapters.folder_names import LIBRARY, counts
from livedetect_adapters.folder_wake import Wake
from livedetect_adapters.stack import StackSource

OPTIONS = {
    "pattern": "only files whose name matches, for example *.tif (*)",
    "settle_s": "a file unchanged for this long is complete, s (0.5)",
    "reorder_s": "how long a file waits for one with a lower number, s (0.5)",
    "give_up_s": "an unreadable file unchanged for this long is rejected, s (10)",
    "rescan_s": "time between two looks at the folder, s (1)",
}
PENDING_S = 0.2
OLD_S = 10.0


def open_source(request: SourceRequest) -> Source:
    """A directory of frames: one per file, or growing stacks; watched while live."""
    folder = Path(request.target)
    if not folder.is_dir():
        raise SourceError(f"{folder} is no existing directory")
    source = FolderSource(request)
    files = source.files()
    if not request.options and simulated_stack(folder, files):
        return StackSource(dataclasses.replace(request, target=str(files[0])))
    libraries = [] if files else sorted(folder.glob(f"*{LIBRARY}"))
    if libraries:
        raise SourceError(f"{folder} holds a library of Nion Swift: name it, {libraries[0]}")
    if not request.live and not files:
        raise SourceError(
            f"{folder} holds no frames (pattern {source.pattern}); "
            f"understood are {' '.join(suffixes())}"
        )
    return source


class FolderSource:
    """Watches or replays one folder; see the module's docstring."""

    def __init__(self, request: SourceRequest) -> None:
        unknown = set(request.options) - set(OPTIONS)
        if unknown:
            raise SettingsError(
                f"a folder does not understand {', '.join(sorted(unknown))} behind '?'; "
                f"allowed are {', '.join(OPTIONS)}"
            )
        self._request = request
        self._folder = Path(request.target)
        self.pattern = request.options.get("pattern", "*")
        self._rescan_s = _seconds(request.options, "rescan_s", 1.0)
        timing = Timing(
            settle_s=_seconds(request.options, "settle_s", 0.5),
            reorder_s=_seconds(request.options, "reorder_s", 0.5) if request.live else 0.0,
            give_up_s=_seconds(request.options, "give_up_s", 10.0),
        )
        self._inbox = Inbox(self._folder, self.pattern, timing)
        self._intake = Intake(self._inbox, request)
        self._wake = Wake(self._folder)
        self._first_listing = True  # files that were there already can wait

    @property
    def info(self) -> SourceInfo:
        """Name and kind; the number of frames is not known before they are read."""
        return SourceInfo(
            name=str(self._folder),
            live=self._request.live,
            stored=self._request.live and self._first_listing,
            has_channels=True,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Frames left aside, see `livedetect.protocols.ManyChannels`."""
        return {"other_channels": self._intake.others.total()}

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand frames of other channels to `take`, see `livedetect.protocols.ManyChannels`."""
        self._intake.divert(take)

    def files(self) -> list[Path]:
        """The files that count, present now."""
        return [path for path in sorted(self._folder.iterdir()) if counts(path, self.pattern)]

    def __iter__(self) -> Iterator[SourceItem]:
        if self._request.live:
            self._wake.start()
        try:
            yield from self._watch()
        finally:
            self.close()

    def _watch(self) -> Iterator[SourceItem]:
        intake, away, stop = self._intake, False, self._request.stop
        while not stop.is_set():
            began = time.monotonic()
            problem = self._scan(began)
            scan_s = time.monotonic() - began
            if problem and not away:
                yield intake.notice("stalled", problem)
            away = bool(problem)
            if not away:
                yield from self._deliver(intake)
                self._first_listing = self._first_listing and bool(self._inbox.pending)
            if not self._request.live and not self._inbox.pending:
                return
            self._rest(scan_s)

    def _scan(self, now: float) -> str:
        """Look at the folder; what keeps us from it, if anything does."""
        try:
            self._inbox.scan(now, self._wake.take_closed())
        except OSError as error:
            if not self._request.live:
                raise SourceError(f"{self._folder} cannot be listed: {error}") from error
            return f"{self._folder} cannot be listed: {error}"
        if not self._request.live:
            self._inbox.presume_complete(time.time() - OLD_S)
        return ""

    def _deliver(self, intake: Intake) -> Iterator[SourceItem]:
        yield from intake.vanished()
        for entry in self._inbox.due(time.monotonic()):
            if self._request.stop.is_set():
                return
            yield from intake.take(entry)

    def _rest(self, scan_s: float) -> None:
        pause = PENDING_S if self._inbox.pending else self._rescan_s
        # a folder of very many files is not to keep a processor busy
        self._request.stop.wait(min(2 * scan_s, self._rescan_s))
        self._wake.wait(pause, self._request.stop)

    def close(self) -> None:
        """End watching; may be called more than once."""
        self._wake.stop()


def _seconds(options: Mapping[str, str], key: str, default: float) -> float:
    seconds = cal.positive(options.get(key, default))
    if seconds is None:
        raise SettingsError(f"{key}={options[key]} is not allowed: a number of seconds above 0")
    return seconds
