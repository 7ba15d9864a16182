"""What producers speak: LDF/1, and whatever installed dialects translate into it.

A dialect is an entry point of the group ``livedetect.dialects``: a class, called without
arguments once for each source, that recognises messages of its protocol and gives them as
checked LDF/1 headers with the pixels beside them. Sources, numbering and recording know LDF/1
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from livedetect.errors import ProtocolError
from livedetect.stream import wire_frames as wire
from livedetect.stream.registry import dialects
from livedetect.stream.wire import VersionError

Part = bytes | memoryview
Message = tuple[wire.FrameHeader | wire.Control, Part]


class Dialect(Protocol):
    """One protocol of frames beside LDF/1."""

    def recognises(self, parts: Sequence[Part]) -> bool:
        """Whether a message looks like one of this protocol; cheap, and never raises."""
        ...

    def read(self, parts: Sequence[Part]) -> list[Message]:
        """The frames and controls in it; raises `ProtocolError` or `VersionError`."""
        ...


class Dialects:
    """Reads a message in whatever it is written in."""

    def __init__(self) -> None:
        self._others: list[Dialect] = [dialect() for dialect in dialects()]
        self._spoken: Dialect | None = None

    def read(self, parts: Sequence[Part]) -> list[Message]:
        """Frames and controls of one message.

        Raises
        ------
        ProtocolError
            It is of no known protocol, or damaged; `VersionError` for a version not spoken.
        MissingExtraError
            It is understood only with a package that is not installed.
        """
        if self._spoken is not None and self._spoken.recognises(parts):
            return self._spoken.read(parts)
        try:
            header = wire.decode_header(parts)
        except VersionError:
            raise
        except ProtocolError:
            dialect = next((d for d in self._others if d.recognises(parts)), None)
            if dialect is None:
                raise
            self._spoken = dialect
            return dialect.read(parts)
        return [(header, parts[1] if len(parts) > 1 else b"")]
