"""From messages to items of a stream: which channel, in which order; no sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.settings import Settings
from livedetect.stream import wire_frames as wire
from livedetect.stream.wire import VersionError
from livedetect.types import Frame, Notice, SourceItem
from livedetect_adapters.dialects import Dialects
from livedetect_adapters.numbering import ChannelNumbering, Part

MAX_CHANNELS = 32
_OTHER_CHANNEL = "another channel is published too, and only recorded; ?stream= chooses"


class FrameOrder:
    """Chooses the channel and has its frames numbered; those of other channels go aside.

    Parameters
    ----------
    wanted : name of the channel; None takes the first that sends a frame.
    settings : the operator's values for what the headers lack.
    """

    def __init__(self, wanted: str | None, settings: Settings) -> None:
        self._chosen = wanted
        self._settings = settings
        self._dialects = Dialects()
        self._followed = ChannelNumbering(settings)
        self._others: dict[str, ChannelNumbering] = {}
        self._announced: dict[str, bool] = {}
        self._aside: Callable[[Frame], None] | None = None
        self._counts: Counter[str] = Counter()

    @property
    def channel(self) -> str | None:
        """The channel that is followed, None while there is none to choose."""
        return self._chosen

    @property
    def ended(self) -> bool:
        """The producer has said that nothing follows."""
        return self._followed.ended

    @property
    def counts(self) -> Counter[str]:
        """Messages that gave no item, by what they were.

        other_channels, foreign, other_version, stray or repeated_rows.
        """
        numbered = {"stray": self._followed.strays, "repeated_rows": self._followed.repeated_rows}
        return +(self._counts + Counter(numbered))

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand the frames of other channels to `take`; without it their pixels are not looked at.

        Each frame comes once, with the index that its own channel gives it.
        """
        self._aside = take

    def give_rows(self) -> None:
        """Let unfinished frames of the followed channel be seen as well."""
        self._followed.gives_rows = True

    def notice(self, event: str, now_s: float, **values: Any) -> Notice:
        """A notice about the source itself; `now_s` is on the monotonic clock."""
        return self._followed.notice(event, now_s, **values)

    def take(self, parts: Sequence[Part], now_s: float) -> Iterator[SourceItem]:
        """The items that follow from one message that came at `now_s` (monotonic clock)."""
        try:
            messages = self._dialects.read(parts)
        except VersionError as error:
            yield from self._refuse("other_version", str(error), now_s)
            return
        except ProtocolError as error:
            reason = f"a message that is no livedetect frame is ignored: {error}"
            yield from self._refuse("foreign", reason, now_s)
            return
        for header, buffer in messages:
            yield from self._take_one(header, buffer, now_s)

    def _take_one(
        self, header: wire.FrameHeader | wire.Control, buffer: Part, now_s: float
    ) -> Iterator[SourceItem]:
        if not self._concerns_us(header):
            yield from self._other_channel(header, buffer, now_s)
            return
        yield from self._followed.follow_restart(header.origin.epoch, now_s)
        if isinstance(header, wire.Control):
            yield from self._followed.obey(header, now_s)
        else:
            yield from self._followed.take(header, buffer, now_s)

    def _concerns_us(self, header: wire.FrameHeader | wire.Control) -> bool:
        if self._chosen is None and self._is_choice(header):
            self._chosen = header.origin.stream
        return header.origin.stream == self._chosen

    def _is_choice(self, header: wire.FrameHeader | wire.Control) -> bool:
        """The first frame, or the end of everything that was announced."""
        if isinstance(header, wire.FrameHeader):
            return True
        if len(self._announced) < MAX_CHANNELS:
            self._announced[header.origin.stream] = header.kind == "end"
        return header.kind == "end" and all(self._announced.values())

    def _other_channel(
        self, header: wire.FrameHeader | wire.Control, buffer: Part, now_s: float
    ) -> Iterator[SourceItem]:
        if isinstance(header, wire.Control):
            return
        self._counts["other_channels"] += 1
        name = header.origin.stream
        if name not in self._others:
            if len(self._others) >= MAX_CHANNELS:
                return
            self._others[name] = ChannelNumbering(self._settings)
            reason = f"{_OTHER_CHANNEL}: {name!r}, followed is {self._chosen!r}"
            yield self.notice("source_changed", now_s, reason=reason, stream=name)
        if self._aside is not None:
            self._put_aside(self._others[name], header, buffer, now_s)

    def _put_aside(
        self, channel: ChannelNumbering, header: wire.FrameHeader, buffer: Part, now_s: float
    ) -> None:
        assert self._aside is not None  # noqa: S101 - asked before
        for _ in channel.follow_restart(header.origin.epoch, now_s):
            pass  # a restart is told once, by the followed channel
        for item in channel.take(header, buffer, now_s):
            if isinstance(item, Frame):
                self._aside(item)

    def _refuse(self, kind: str, message: str, now_s: float) -> Iterator[SourceItem]:
        """Count a message; say once what is wrong with those of its kind."""
        self._counts[kind] += 1
        if self._counts[kind] == 1:
            yield self.notice("source_changed", now_s, reason=message, refused=kind)
