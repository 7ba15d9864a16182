"""Errors of livedetect; each is also the builtin it resembles and says what to do."""

from __future__ import annotations


class LivedetectError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(LivedetectError, ValueError):
    """A setting is unknown or has a value that is not allowed (exit code 2)."""


class CalibrationError(LivedetectError, ValueError):
    """A frame is said to have been scanned in a way that cannot be, as with pixels of no size."""


class SourceError(LivedetectError, OSError):
    """A source cannot be opened or has failed for good (exit code 1)."""


class FrameReadError(LivedetectError, OSError):
    """One frame cannot be read now; it may be incomplete, so trying again can help."""


class ProtocolError(LivedetectError, ValueError):
    """A message on a socket does not obey the wire format."""


class LatticeNotFoundError(LivedetectError, ValueError):
    """The frames show no lattice that the default method could follow."""


class MissingExtraError(LivedetectError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


class EndpointError(LivedetectError, OSError):
    """An address cannot be listened at (exit code 1)."""


class RecordingError(LivedetectError, OSError):
    """A recording cannot go on; the analysis can."""
