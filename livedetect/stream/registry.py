"""The one place that knows which schemes, readers and simulators are installed.

They are found through entry points: ``livedetect.sources`` (name = URI scheme),
``livedetect.readers`` (by file suffix), ``livedetect.dialects`` (of messages with frames) and
``livedetect.simulators``.
"""

from __future__ import annotations

import difflib
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from livedetect.errors import SettingsError, SourceError
from livedetect.protocols import (
    GivesRows,
    ManyChannels,
    Reader,
    Simulator,
    Source,
    SourceFactory,
    SourceRequest,
)
from livedetect.settings import Settings
from livedetect.stream.permissions import permitted
from livedetect.types import Frame, SourceInfo, SourceItem

_log = logging.getLogger(__name__)

# a single letter is a Windows drive, never a scheme
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription:
    """One line of ``livedetect sources``."""

    scheme: str
    """What stands before the colon."""
    summary: str
    """First line of the factory's docstring."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Keys behind ``?`` with their meaning: ``OPTIONS`` of the factory's module."""
    problem: str = ""
    """Why the scheme cannot be used on this computer; empty if it can."""


class OpenedSource:
    """A source that closes itself at the end of its iteration or of a ``with`` block."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def info(self) -> SourceInfo:
        """What it is; available before the first frame."""
        return self._source.info

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages that gave no item, see `ManyChannels`; empty where there are no others."""
        return self._source.counts if isinstance(self._source, ManyChannels) else {}

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand frames of other channels to `take`, see `ManyChannels`."""
        if isinstance(self._source, ManyChannels):
            self._source.divert(take)

    def give_rows(self) -> None:
        """Yield what has come of unfinished frames as well, where the source knows."""
        if isinstance(self._source, GivesRows):
            self._source.give_rows()

    def __iter__(self) -> Iterator[SourceItem]:
        try:
            yield from self._source
        finally:
            self.close()

    def close(self) -> None:
        """Release everything; may be called more than once."""
        self._source.close()

    def __enter__(self) -> OpenedSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(
    source: str | Path,
    settings: Settings | None = None,
    *,
    stop: threading.Event | None = None,
    live: bool = True,
) -> OpenedSource:
    """Open whatever a user may call a SOURCE.

    Parameters
    ----------
    source : ``scheme:target?key=value&...``, an existing directory (a recorded session if
        it holds ``session.json``, else a watched folder) or an existing file (a stack). A
        `Path` is never read as a scheme.
    settings : the operator's values for what the source's metadata lack.
    stop : set it to end the iteration soon.
    live : False reads what is there now and ends.

    Raises
    ------
    SourceError
        The source does not exist, is of no known kind, may not be read, or cannot be opened.
    SettingsError
        An option behind ``?`` is not understood.
    """
    scheme, target, options = resolve(source)
    request = SourceRequest(
        target=target,
        options=options,
        settings=settings or Settings(),
        stop=stop or threading.Event(),
        live=live,
    )
    factory = _factory(scheme)
    with permitted(target):
        return OpenedSource(factory(request))


def resolve(source: str | Path) -> tuple[str, str, dict[str, str]]:
    """Scheme, target (without a leading ``//``) and options of a SOURCE."""
    with permitted(source):
        return _resolved(source)


def scheme_of_path(path: Path) -> str:
    """``session``, ``folder`` or ``stack``; raises `SourceError` for a path that is not there."""
    if not path.exists():
        raise SourceError(
            f"{path} does not exist: give an existing file or directory, "
            f"or one of {', '.join(f'{name}:' for name in _points('sources'))}"
        )
    if not path.is_dir():
        return "stack"
    if (path / "session.json").exists():
        return "session"
    return "stack" if _claims(path) else "folder"


def reader_for(path: Path) -> Reader:
    """The reader of files named like `path`; raises `SourceError` if there is none."""
    matches = _claims(path)
    if not matches:
        raise SourceError(
            f"{path.name}: no reader for files of this kind; understood are {' '.join(suffixes())}"
        )
    return matches[-1]


def readers() -> dict[str, Reader]:
    """All readers by name; one that cannot be loaded is left out, with a warning in the log."""
    loaded = {name: _load_reader(point) for name, point in _points("readers").items()}
    return {name: reader for name, reader in loaded.items() if reader is not None}


def suffixes() -> list[str]:
    """All file suffixes that some reader understands, sorted."""
    return sorted({suffix for reader in readers().values() for suffix in reader.suffixes})


def dialects() -> list[Any]:
    """Classes that translate foreign messages of frames, see ``livedetect_adapters.dialects``."""
    return [point.load() for point in _points("dialects").values()]


def open_simulator(spec: str) -> Simulator:
    """The simulator behind ``CRYSTAL?key=value&...``, with or without its scheme before it."""
    named = _SCHEME.fullmatch(spec)
    name, rest = (named[1].lower(), named[2]) if named else ("sim", spec)
    points = _points("simulators")
    if name not in points:
        raise SourceError(f"no simulator {name!r}; installed are {', '.join(points) or 'none'}")
    simulator: Simulator = points[name].load()(rest)
    return simulator


def list_sources() -> list[SourceDescription]:
    """Every installed scheme, described; one that cannot be loaded says why."""
    return [_described(name, point) for name, point in _points("sources").items()]


def _resolved(source: str | Path) -> tuple[str, str, dict[str, str]]:
    text = str(source)
    named = _SCHEME.fullmatch(text) if isinstance(source, str) else None
    if named and (named[1].lower() in _points("sources") or not Path(text).exists()):
        return named[1].lower(), *_split_options(named[2])
    if Path(text).exists() or isinstance(source, Path):
        return scheme_of_path(Path(text)), text, {}
    target, options = _split_options(text)
    return scheme_of_path(Path(target)), target, options


def _described(name: str, point: EntryPoint) -> SourceDescription:
    try:
        factory = point.load()
    except ImportError as error:
        return SourceDescription(scheme=name, summary="", problem=str(error))
    lines = (factory.__doc__ or "").strip().splitlines()
    options = getattr(sys.modules[factory.__module__], "OPTIONS", {})
    return SourceDescription(scheme=name, summary="".join(lines[:1]), options=options)


def _factory(scheme: str) -> SourceFactory:
    points = _points("sources")
    if scheme not in points:
        close = difflib.get_close_matches(scheme, points, n=1)
        hint = f"did you mean {close[0]}:? " if close else ""
        raise SourceError(
            f"no source for {scheme!r}; {hint}installed are {', '.join(points) or 'none'}"
        )
    try:
        factory: SourceFactory = points[scheme].load()
    except ImportError as error:
        raise SourceError(f"the source {scheme!r} cannot be loaded: {error}") from error
    return factory


@lru_cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=f"livedetect.{group}"))}


@lru_cache
def _load_reader(point: EntryPoint) -> Reader | None:
    try:
        reader: Reader = point.load()
    except ImportError as error:
        _log.warning("the file reader %r cannot be loaded: %s", point.name, error)
        return None
    return reader


def _claims(path: Path) -> list[Reader]:
    """Readers one of whose suffixes `path` has; the longest suffix comes last."""
    name = path.name.lower()
    lengths = {
        key: max((len(suffix) for suffix in reader.suffixes if name.endswith(suffix)), default=0)
        for key, reader in readers().items()
    }
    return [readers()[key] for key in sorted(lengths, key=lengths.__getitem__) if lengths[key]]


def _split_options(text: str) -> tuple[str, dict[str, str]]:
    target, _, query = text.partition("?")
    options = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise SettingsError(f"option {part!r} behind '?': write it as key=value")
        options[unquote(key)] = unquote(value)
    return target, options
