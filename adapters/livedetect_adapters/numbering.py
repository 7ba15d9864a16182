"""Numbers the frames of one channel across restarts of its producer; no sockets."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from livedetect.errors import ProtocolError
from livedetect.settings import Settings
from livedetect.stream import wire_frames as wire
from livedetect.stream.assembly import Assembly
from livedetect.stream.ledger import Ledger
from livedetect.types import Calibration, Frame, Gap, Notice, PartialFrame, Rejection, SourceItem
from livedetect_adapters import calibration as cal

Part = bytes | memoryview

MAX_EPOCHS = 16
JOINED_WITHIN = "we joined within its scan"
"""Reason of the gap that is a frame whose upper rows were sent before anybody listened."""


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


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A frame that arrives in blocks of rows."""

    header: wire.FrameHeader
    """Of its first block."""
    rows: Assembly
    """Its pixels so far."""

    def is_of(self, header: wire.FrameHeader) -> bool:
        """Whether a message speaks of the same frame."""
        mine = self.header
        return (mine.origin.epoch, mine.seq) == (header.origin.epoch, header.seq)

    def fits(self, header: wire.FrameHeader) -> bool:
        """Whether a message of the same frame describes it as its first block did."""
        return (self.header.shape, self.header.dtype) == (header.shape, header.dtype)

    def is_before(self, header: wire.FrameHeader) -> bool:
        """Whether a message shows that nothing more of it will come."""
        mine = self.header
        return mine.origin.epoch == header.origin.epoch and mine.seq < header.seq


class ChannelNumbering:
    """Turns checked messages of one channel into items in order.

    The index of a frame is its sequence number plus those of the earlier epochs. Holes become
    a `Gap`, repeated frames a `Rejection`. A late frame stays a `Frame` below the latest index:
    the session's ledger turns it away, but its pixels can still be recorded.

    Parameters
    ----------
    settings : the operator's values for what the headers lack.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger()
        self._epoch_id: bytes | None = None
        self._epochs: OrderedDict[bytes, _Epoch] = OrderedDict()
        self._latest: tuple[float, float] | None = None
        self._unfinished: _Unfinished | None = None
        self._joined_within: tuple[bytes, int] | None = None
        self.gives_rows = False
        """Unfinished frames are yielded as well, with every block that comes."""
        self.ended = False
        """The producer has said that nothing follows."""
        self.strays = 0
        """Frames of an earlier start whose numbers were never heard of in its time."""
        self.repeated_rows = 0
        """Blocks of rows that had come before, or whose frame is over; they change nothing."""

    def notice(self, event: str, now_s: float, **values: Any) -> Notice:
        """A notice about the source itself; `now_s` is on the monotonic clock."""
        index = max(self._ledger.next_index - 1, 0)
        return Notice(event=event, index=index, time_s=self._time_now_s(now_s), values=values)

    def follow_restart(self, epoch: bytes, now_s: float) -> Iterator[SourceItem]:
        """Begin to count anew where `epoch` is a new start of the producer."""
        if epoch in self._epochs:
            return
        yield from self._tear(now_s)
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

    def obey(self, control: wire.Control, now_s: float) -> Iterator[SourceItem]:
        """What a start, heartbeat or end says of frames that never came."""
        if control.origin.epoch != self._epoch_id:
            return
        epoch = self._epochs[control.origin.epoch]
        open_seq = self._unfinished.header.seq if self._unfinished else control.last_seq + 1
        if control.kind == "end" or control.last_seq >= open_seq:
            yield from self._tear(now_s)
        missing = control.last_seq - epoch.last_seq
        if missing > 0 and control.kind != "start":
            first = epoch.base + epoch.last_seq + 1
            epoch.last_seq = control.last_seq
            gap = Gap(
                first_missing=first,
                missing_frames=missing,
                time_s=self._time_now_s(now_s),
                epoch=control.origin.epoch.hex(),
            )
            yield from self._ledger.admit(gap)
        self.ended = control.kind == "end"

    def take(self, header: wire.FrameHeader, buffer: Part, now_s: float) -> Iterator[SourceItem]:
        """What follows from a frame, or from a block of its rows.

        Only a later frame tears one that is unfinished: an older one that is heard again, or
        late, says nothing of it.
        """
        if self._unfinished is not None and self._unfinished.is_before(header):
            yield from self._tear(now_s)
        if header.rows is not None:
            yield from self._assemble(header, buffer, now_s)
            return
        if self._unfinished is not None and self._unfinished.is_of(header):
            self._unfinished = None  # the whole frame is worth more than its rows
        yield from self.number(header, buffer, now_s)

    def _assemble(
        self, header: wire.FrameHeader, buffer: Part, now_s: float
    ) -> Iterator[SourceItem]:
        """The frame with its last rows; before, its state if that is wanted."""
        assert header.rows is not None  # noqa: S101 - asked before
        epoch = self._epochs[header.origin.epoch]
        if header.origin.epoch != self._epoch_id:
            self.strays += 1
            return
        if (header.origin.epoch, header.seq) == self._joined_within:
            return
        known = self._unfinished is not None and self._unfinished.rows.has(header.rows[1])
        if known or header.seq <= epoch.last_seq:
            self.repeated_rows += 1
            return
        if self._unfinished is None:
            yield from self._hole_before(epoch, header)
            if self._joins_within(header):
                yield from self._pass_over(epoch, header)
                return
            assembly = Assembly(header.shape, wire.DTYPES[header.dtype].newbyteorder("="))
            self._unfinished = _Unfinished(header, assembly)
        rows, first = self._unfinished.rows, header.rows[0]
        if self._unfinished.fits(header):
            with contextlib.suppress(ProtocolError):  # a damaged block leaves the frame torn
                rows.add(first, wire.decode_pixels(header, buffer))
        if rows.complete:
            self._unfinished = None
            yield from self._number(header, rows.pixels(), now_s)
        elif self.gives_rows and rows.rows_done == header.rows[1]:
            time_s = self._time_of(epoch, header)
            frame = self._frame(header, rows.pixels(), epoch.base + header.seq, time_s)
            state = dataclasses.replace(frame, valid_rows=rows.rows_done)
            yield PartialFrame(frame=state, first_row=first)

    def _hole_before(self, epoch: _Epoch, header: wire.FrameHeader) -> Iterator[SourceItem]:
        """What is missing before a frame is known as soon as its first rows are here."""
        gap = Gap(first_missing=epoch.base + header.seq, missing_frames=0)
        for item in self._ledger.admit(gap):
            yield _of_epoch(item, header.origin.epoch)
        epoch.last_seq = header.seq - 1

    def _joins_within(self, header: wire.FrameHeader) -> bool:
        """Whether these rows, the first that are heard of all, are not the first of their frame."""
        first_heard = self._latest is None and self._joined_within is None
        return first_heard and header.rows is not None and header.rows[0] > 0

    def _pass_over(self, epoch: _Epoch, header: wire.FrameHeader) -> Iterator[SourceItem]:
        """A frame that cannot be whole any more, for no fault of the link: told at once."""
        self._joined_within = (header.origin.epoch, header.seq)
        index, started = epoch.base + header.seq, header.origin.epoch.hex()
        epoch.last_seq = header.seq
        gap = Gap(first_missing=index, missing_frames=1, reason=JOINED_WITHIN, epoch=started)
        yield from self._ledger.admit(gap)

    def _tear(self, now_s: float) -> Iterator[SourceItem]:
        """Give up a frame whose other rows will not come: what was scanned of it is passed on."""
        torn, self._unfinished = self._unfinished, None
        if torn is not None and torn.rows.rows_done:
            yield from self._number(torn.header, torn.rows.pixels(), now_s, torn.rows.rows_done)

    def _number(
        self,
        header: wire.FrameHeader,
        data: NDArray[Any],
        now_s: float,
        valid_rows: int | None = None,
    ) -> Iterator[SourceItem]:
        """An assembled frame in its place."""
        epoch = self._epochs[header.origin.epoch]
        epoch.last_seq = max(epoch.last_seq, header.seq)
        time_s = self._begin(epoch, header, now_s)
        frame = self._frame(header, data, epoch.base + header.seq, time_s)
        if valid_rows is not None:
            frame = dataclasses.replace(frame, valid_rows=valid_rows)
        for admitted in self._ledger.admit(frame):
            yield _of_epoch(admitted, header.origin.epoch)

    def number(self, header: wire.FrameHeader, buffer: Part, now_s: float) -> Iterator[SourceItem]:
        """The frame, after the gap that it shows; or why it is turned away."""
        epoch = self._epochs[header.origin.epoch]
        if header.origin.epoch != self._epoch_id and header.seq > epoch.last_seq:
            self.strays += 1  # its number belongs to a frame of the new epoch
            return
        epoch.last_seq = max(epoch.last_seq, header.seq)
        item = self._item(header, buffer, epoch, now_s)
        for admitted in self._ledger.admit(item):
            is_late = isinstance(admitted, Rejection) and admitted.reason == "late"
            yield item if is_late else _of_epoch(admitted, header.origin.epoch)

    def _item(
        self, header: wire.FrameHeader, buffer: Part, epoch: _Epoch, now_s: float
    ) -> Frame | Rejection:
        index, time_s = epoch.base + header.seq, self._begin(epoch, header, now_s)
        try:
            data = wire.decode_pixels(header, buffer)
        except ProtocolError as error:
            return Rejection(index=index, message=str(error), time_s=time_s)
        return self._frame(header, data, index, time_s)

    def _begin(self, epoch: _Epoch, header: wire.FrameHeader, now_s: float) -> float:
        """Time of a frame that has come; the first one's is where its epoch begins, s."""
        if epoch.mono_ns is None:
            epoch.mono_ns = header.mono_ns
        time_s = self._time_of(epoch, header)
        self._latest = (time_s, now_s)
        return time_s

    def _time_of(self, epoch: _Epoch, header: wire.FrameHeader) -> float:
        begun_ns = header.mono_ns if epoch.mono_ns is None else epoch.mono_ns
        return epoch.time_s + (header.mono_ns - begun_ns) / 1e9

    def _frame(
        self, header: wire.FrameHeader, data: NDArray[Any], index: int, time_s: float
    ) -> Frame:
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
    """What a frame's header says of its scan; the current is the instrument's, 0: beam blanked."""
    y, x = header.cal
    found = cal.scanned(cal.spatial((x.scale, x.units), (y.scale, y.units)), header.details)
    found = dataclasses.replace(found, rotation_deg=header.details.get("rotation_deg"))
    if header.details.get("current_pA") == 0:
        return dataclasses.replace(found, current_pA=0.0, current_source="instrument")
    return found


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


def _of_epoch(item: SourceItem, epoch: bytes) -> SourceItem:
    if isinstance(item, (Gap, Rejection)):
        return dataclasses.replace(item, epoch=epoch.hex())
    return item


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)
