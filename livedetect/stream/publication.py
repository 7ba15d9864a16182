"""What is published of a run: messages made from results, and the history behind them.

Used by the publisher's thread only.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import ProtocolError
from livedetect.stream import wire_results as wire
from livedetect.stream.history import RunHistory
from livedetect.stream.preview import PreviewMaker
from livedetect.stream.status import SessionStatus
from livedetect.stream.wire import encode_map
from livedetect.stream.wire_pictures import watched_map
from livedetect.types import Event, Frame, FrameResult, Phase

SNAPSHOT_PERIOD_S = 0.05
_REMEMBERED_RESULTS = 64
_LEARNING = (Phase.WAITING, Phase.WARMING_UP)


class Publication:
    """One engine's publications, numbered in the order in which they are made."""

    def __init__(self, control_port: int) -> None:
        self.status = SessionStatus()
        """The session's latest word on itself; replaced by the publisher."""
        self.ended = False
        """The run has ended; whatever follows is about its end."""
        self.latest_frame = -1
        """Index of the latest frame with a result."""
        self._epoch = uuid.uuid4().hex
        self._control_port = control_port
        self._history = RunHistory()
        self._maker = PreviewMaker()
        self._phase = Phase.WAITING
        self._looks: deque[tuple[int, dict[str, Any]]] = deque(
            [(-1, {"tracks": wire.track_columns(())})], maxlen=_REMEMBERED_RESULTS
        )
        self.recording: Callable[[], Mapping[str, Any]] | None = None
        """Asked for the state of the recording, where there is one."""
        self._shown: Frame | None = None
        self._snapshot_at_s = -1.0

    def _envelope(self, step: int = 1) -> wire.Envelope:
        seq = self._history.seq + step
        return wire.Envelope(epoch=self._epoch, seq=seq, control=self._control_port)

    def result(
        self,
        result: FrameResult,
        earlier: Sequence[Event],
        origin: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The message of a result; `earlier` are events of results that were dropped.

        `origin` names channel, scan and shape of the frame, see `FrameOrigins`.
        """
        message = wire.result_message(self._envelope(), result, self.status, earlier)
        message["origin"] = dict(origin) if origin else None
        self._enter(result.phase)
        self.latest_frame = max(self.latest_frame, result.frame)
        look = {
            "tracks": message["tracks"],
            "dismissed": wire.track_columns(result.dismissed_tracks),
            "drift_px": message["drift_px"],
            "segment_id": message["segment_id"],
            "watched": watched_map(result.watched, result.watched_block_px),
        }
        self._looks.append((result.frame, look))
        return self._publish(message)

    def session(self, events: Sequence[Event]) -> bytes:
        """The status message, with events that belong to no result."""
        if any(event.event == "run_ended" for event in events):
            self.ended = True
        phase = Phase.ENDED if self.ended else self.status.phase
        status = dataclasses.replace(self.status, phase=phase)
        message = wire.status_message(self._envelope(), status, events)
        if self.recording is not None:
            message["recording"] = dict(self.recording())
        return self._publish(message)

    def _publish(self, message: dict[str, Any]) -> bytes:
        self._history.add(message)
        return encode_map(message | {"counts": self._history.counts})

    def _enter(self, phase: Phase) -> None:
        if phase is Phase.WARMING_UP and self._phase not in _LEARNING:
            self._maker.forget()
        self._phase = phase

    def show(self, frame: Frame) -> None:
        """Make `frame` the one that is looked at."""
        self._maker.learn(frame, warming_up=self._phase in _LEARNING)
        self._shown = frame

    def preview(self) -> tuple[dict[str, Any], NDArray[np.uint8]] | None:
        """Header and image of the frame that is shown, with the markers that belong to it."""
        if self._shown is None:
            return None
        image, fields = self._maker.make(self._shown)
        analysed, look = self._look_at(self._shown.index)
        fields = {**fields, "analysed": analysed, **look}
        return wire.preview_header(self._envelope(step=0), image, fields), image

    def _look_at(self, frame: int) -> tuple[bool, dict[str, Any]]:
        for index, look in reversed(self._looks):
            if index == frame:
                return True, look
        return False, self._looks[-1][1]

    def snapshot(self) -> Mapping[str, Any]:
        """Everything that a late viewer needs; refused when asked for too often."""
        if time.monotonic() - self._snapshot_at_s < SNAPSHOT_PERIOD_S:
            raise ProtocolError("snapshot: busy, ask again")
        self._snapshot_at_s = time.monotonic()
        preview = self.preview()
        return {
            "epoch": self._epoch,
            **self._history.snapshot(),
            "preview": preview and {"header": preview[0], "image": preview[1].tobytes()},
        }
