"""From LDF/1 messages to items of a stream: one channel, one numbering, in order; no sockets."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.settings import Settings
from livedetect.stream import wire_frames as wire
from livedetect.stream.ledger import Ledger
from livedetect.stream.wire import VersionError
from livedetect.types import Calibration, Frame, Gap, Notice, Rejection, SourceItem
from livedetect_adapters import calibration as cal

Part = bytes | memoryview

MAX_EPOCHS = 16
MAX_CHANNELS = 32
_OTHER_CHANNEL = "another channel is published too; ?stream= chooses"


@dataclass(slots=True)
class _Epoch:
    """One start of the producer."""

    base: int
    """Index of its frame 0."""
    time_s: float
    """Of its first frame, s since the source's first frame."""
    mono_ns: int | None = None
    """Of its first frame on the producer's clock."""
    last_seq: int = -1
    """Highest number known."""


class FrameOrder:
    """Chooses the channel, numbers its frames across restarts, and says what is missing.

    The index of a frame is its sequence number plus those of the earlier epochs. Holes become
    a `Gap`, repeated frames a `Rejection`. A late frame stays a `Frame` below the latest index:
    the session's ledger turns it away, but its pixels can still be recorded.

    Parameters
    ----------
    wanted : name of the channel; None takes the first that sends a frame.
    settings : the operator's values for what the headers lack.
    """

    def __init__(self, wanted: str | None, settings: Settings) -> None:
        self._chosen = wanted
        self._settings = settings
        self._ledger = Ledger()
        self._epoch_id: bytes | None = None
        self._epochs: OrderedDict[bytes, _Epoch] = OrderedDict()
        self._announced: dict[str, bool] = {}
        self._latest: tuple[float, float] | None = None
        self._refused: set[str] = set()
        self.ended = False
        """The producer has said that nothing follows."""
        self.counts: Counter[str] = Counter()
        """Messages that gave no item: other_channels, foreign, other_version, stray."""

    @property
    def channel(self) -> str | None:
        """The channel that is followed, None while there is none to choose."""
        return self._chosen

    @property
    def latest_index(self) -> int:
        """Of the last frame known to have been sent, 0 before the first."""
        return max(self._ledger.next_index - 1, 0)

    def notice(self, event: str, now_s: float, **values: Any) -> Notice:
        """A notice about the source itself; `now_s` is on the monotonic clock."""
        return Notice(
            event=event, index=self.latest_index, time_s=self._time_now_s(now_s), values=values
        )

    def take(self, parts: Sequence[Part], now_s: float) -> Iterator[SourceItem]:
        """The items that follow from one message that came at `now_s` (monotonic clock)."""
        try:
            header = wire.decode_header(parts)
        except VersionError as error:
            yield from self._refuse("other_version", str(error), now_s)
            return
        except ProtocolError as error:
            message = f"a message that is no livedetect frame is ignored: {error}"
            yield from self._refuse("foreign", message, now_s)
            return
        if not self._concerns_us(header):
            yield from self._other_channel(header, now_s)
            return
        yield from self._follow_restart(header.origin.epoch, now_s)
        if isinstance(header, wire.Control):
            yield from self._obey(header, now_s)
        else:
            yield from self._number(header, parts[1], now_s)

    # -- which channel --------------------------------------------------------------------

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
        self, header: wire.FrameHeader | wire.Control, now_s: float
    ) -> Iterator[SourceItem]:
        if isinstance(header, wire.Control):
            return
        self.counts["other_channels"] += 1
        name = header.origin.stream
        if name not in self._refused and len(self._refused) < MAX_CHANNELS:
            self._refused.add(name)
            reason = f"{_OTHER_CHANNEL}: {name!r}, followed is {self._chosen!r}"
            yield self.notice("source_changed", now_s, reason=reason, stream=name)

    def _refuse(self, kind: str, message: str, now_s: float) -> Iterator[SourceItem]:
        """Count a message; say once what is wrong with those of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            yield self.notice("source_changed", now_s, reason=message, refused=kind)

    # -- in which order -------------------------------------------------------------------

    def _follow_restart(self, epoch: bytes, now_s: float) -> Iterator[SourceItem]:
        if epoch in self._epochs:
            return
        first = self._epoch_id is None
        self._epochs[epoch] = _Epoch(base=self._next_base(), time_s=self._time_now_s(now_s))
        self._epoch_id = epoch
        if len(self._epochs) > MAX_EPOCHS:
            self._epochs.popitem(last=False)
        if not first:
            yield self.notice("source_restarted", now_s, reason="the producer was started again")

    def _next_base(self) -> int:
        if self._epoch_id is None:
            return 0
        current = self._epochs[self._epoch_id]
        return current.base + current.last_seq + 1

    def _obey(self, control: wire.Control, now_s: float) -> Iterator[SourceItem]:
        if control.origin.epoch != self._epoch_id:
            return
        epoch = self._epochs[control.origin.epoch]
        missing = control.last_seq - epoch.last_seq
        if missing > 0 and control.kind != "start":
            first = epoch.base + epoch.last_seq + 1
            epoch.last_seq = control.last_seq
            time_s = self._time_now_s(now_s)
            gap = Gap(first_missing=first, missing_frames=missing, time_s=time_s)
            yield from self._ledger.admit(gap)
        self.ended = control.kind == "end"

    def _number(self, header: wire.FrameHeader, buffer: Part, now_s: float) -> Iterator[SourceItem]:
        epoch = self._epochs[header.origin.epoch]
        if header.origin.epoch != self._epoch_id and header.seq > epoch.last_seq:
            self.counts["stray"] += 1  # its number belongs to a frame of the new epoch
            return
        epoch.last_seq = max(epoch.last_seq, header.seq)
        item = self._item(header, buffer, epoch, now_s)
        for admitted in self._ledger.admit(item):
            is_late = isinstance(admitted, Rejection) and admitted.reason == "late"
            yield item if is_late else admitted

    def _item(
        self, header: wire.FrameHeader, buffer: Part, epoch: _Epoch, now_s: float
    ) -> Frame | Rejection:
        if epoch.mono_ns is None:
            epoch.mono_ns = header.mono_ns
        index = epoch.base + header.seq
        time_s = epoch.time_s + (header.mono_ns - epoch.mono_ns) / 1e9
        self._latest = (time_s, now_s)
        try:
            data = wire.decode_pixels(header, buffer)
        except ProtocolError as error:
            return Rejection(index=index, message=str(error), time_s=time_s)
        details = header.details
        rows = details.get("valid_rows")
        return Frame(
            data=data,
            index=index,
            time_s=time_s,
            calibration=cal.completed(calibration(header), self._settings),
            stream=header.origin.stream,
            scan_id=details.get("scan_id", ""),
            saturation_value=_optional_float(details.get("sat")),
            valid_rows=rows if rows is not None and 0 <= rows <= header.shape[0] else None,
            meta=meta(header),
        )

    def _time_now_s(self, now_s: float) -> float:
        """Now, s since the first frame: the latest frame's time and what has passed since."""
        if self._latest is None:
            return 0.0
        time_s, at_s = self._latest
        return time_s + max(0.0, now_s - at_s)


def calibration(header: wire.FrameHeader) -> Calibration:
    """What a frame's header says of its scan; the current is the instrument's."""
    y, x = header.cal
    return cal.scanned(cal.spatial((x.scale, x.units), (y.scale, y.units)), header.details)


def meta(header: wire.FrameHeader) -> Mapping[str, Any]:
    """The producer's scalars and strings, and what names the frame at its origin."""
    plain = (bool, int, float, str)
    told = {k: v for k, v in header.details.get("meta", {}).items() if isinstance(v, plain)}
    return told | {
        "session": header.origin.session,
        "epoch": header.origin.epoch.hex(),
        "seq": header.seq,
        "t_ns": header.t_ns,
        "src": header.details.get("src", ""),
    }


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)
