"""livedetect in Nion Swift: frames out, markers in, and a beam that blanks when damage starts."""

from __future__ import annotations

from typing import Any

from nionswift_plugin.livedetect_bridge import panel, settings
from nionswift_plugin.livedetect_bridge.bridge import Bridge, quietly

running: Bridge | None = None
"""The bridge of this Swift."""


class BridgeExtension:
    """What Swift finds: it is made when plug-ins are loaded, and closed when Swift ends."""

    extension_id = "livedetect.bridge"

    def __init__(self, api_broker: Any) -> None:  # noqa: ARG002 - Swift gives it
        global running  # noqa: PLW0603 - one Swift, one bridge; scripts in Swift ask for it here
        self._bridge = Bridge(settings.load())
        running = self._bridge
        panel.register(self._bridge)

    def close(self) -> None:
        """Swift ends."""
        global running  # noqa: PLW0603 - as above
        running = None
        quietly(self._bridge.close)
        quietly(panel.unregister)
