"""The pattern that the live view is compared with: a queued Qt signal for every message."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import zmq
from qtpy.QtCore import QObject, Signal

from livedetect.stream.wire_results import Preview, decode_publication
from livedetect.viewer.markers import markers_of

_DIAMETER_PX = 16.0


class _Emitter(QObject):  # type: ignore[misc]  # Qt comes without types
    message = Signal(object)


class QueuedView:
    """Draws each preview and each result's markers in a slot, in the order in which they came.

    It gives up `seconds` after the first image: where signals come faster than they are drawn,
    Qt's timers, which would end the measurement, never have their turn.
    """

    def __init__(self, viewer: Any, endpoint: str, seconds: float) -> None:
        self._viewer = viewer
        self._endpoint = endpoint
        self._image: Any = None
        self._points: Any = None
        self.images = 0
        """Messages drawn so far."""
        self.handed_s = 0.0
        """When the result drawn last was handed over, s."""
        self._closing = threading.Event()
        self._give_up = threading.Timer(seconds, self._closing.set)
        self._give_up.daemon = True
        self._emitter = _Emitter()
        self._emitter.message.connect(self._draw)
        self._thread = threading.Thread(target=self._receive, name="queued-view", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as results:
            results.setsockopt(zmq.SUBSCRIBE, b"")
            results.connect(self._endpoint)
            while not self._closing.is_set():
                if results.poll(100):
                    self._emitter.message.emit(decode_publication(results.recv_multipart()))

    def _draw(self, message: Any) -> None:
        if self._closing.is_set():
            return
        if isinstance(message, Preview):
            self._draw_image(message)
        elif message["kind"] == "result" and self._image is not None:
            self._draw_markers(message)

    def _draw_image(self, preview: Preview) -> None:
        if self._image is None:
            self._give_up.start()
            self._image = self._viewer.add_image(
                preview.image, contrast_limits=preview.header["contrast"]
            )
            self._points = self._viewer.add_points(
                np.empty((0, 2)), face_color="transparent", border_width=0.12
            )
        self._image.data = preview.image

    def _draw_markers(self, message: Any) -> None:
        shape = self._image.data.shape
        markers = markers_of(message["tracks"], message["frame"], shape, _DIAMETER_PX)
        self._points.data = markers.position_px
        self._points.symbol = markers.symbol
        self._points.border_color = markers.border_color
        self._points.size = markers.diameter_px
        self.images += 1
        self.handed_s = message["time_s"]

    def close(self) -> None:
        """Receive no more."""
        self._give_up.cancel()
        self._closing.set()
        self._thread.join()
