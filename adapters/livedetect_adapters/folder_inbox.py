"""Which files of a watched folder are complete, and in which order they are due.

Listing the folder is the truth, a file system's events only make it faster. A file is
complete when it was closed or renamed into place, or when its size and modification time
stayed the same over two looks and `settle_s`. Complete files are handed out by acquisition
number; one that is not the next number waits `reorder_s` for those before it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from livedetect_adapters.files import Signature, signature_of
from livedetect_adapters.folder_names import NaturalKey, counts, follows, natural_key

BLOCKED_S = 2.0
"""Patience with an unreadable file that others wait behind, s."""
LONGEST_BLOCK_S = 10.0
"""How long an unfinished file keeps later ones waiting at most, s."""
PATCHED_S = 0.2
"""A complete file that changes within this time gets its header completed, nothing new, s."""
PEEK_S = 1.0
"""Time between two looks into a stack that grows without pause, s."""
_GROWING_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Patience of the inbox, all in seconds; see the options of the folder source."""

    settle_s: float = 0.5
    """A file that has not changed for this long is complete."""
    reorder_s: float = 0.5
    """How long a file waits for one with a lower number."""
    give_up_s: float = 10.0
    """A file that cannot be read and has not changed for this long is rejected."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One file of the folder and how far it has been read. Times are monotonic, s."""

    path: Path
    key: NaturalKey
    first_seen: float
    signature: Signature = ()
    """Device, inode, size, mtime in ns; of a directory without inode the rest."""
    steady_since: float = 0.0
    looks: int = 0
    closed: bool = False
    """Its writer has closed it, or it is too old to be still in writing."""
    taken: Signature = ()
    """The signature up to which everything has been passed on or rejected."""
    done: int = 0
    """Frames passed on or rejected."""
    digest: int | None = None
    """Checksum of its first frame; another one means that the file was overwritten."""
    passed: bool = False
    """Some frame of it has been passed on."""
    tries: int = 0
    retry_at: float = 0.0
    peeked_at: float = 0.0
    """When it was last read while still growing."""
    problem: str = ""
    """Why the last try failed."""
    growing: bool = False
    """Still being written: only the pages before the last one may be trusted."""
    lost: int = 0
    """How often it was overwritten before it had been read."""
    _rewritten: bool = False
    given_up: bool = False
    """No more tries after this one."""

    @property
    def unread(self) -> bool:
        """Whether anything in it has not been dealt with."""
        return self.signature != self.taken

    @property
    def mtime_s(self) -> float:
        """Modification time, s since the epoch."""
        return self.signature[-1] * 1e-9

    def look(self, signature: Signature, now: float) -> None:
        """Compare with what was seen before."""
        if signature == self.signature:
            self.looks += 1
            return
        rested = self.closed and self.unread and self.steady_s(now) >= PATCHED_S
        self._rewritten = rested and signature[2] <= self.signature[2]
        self.signature, self.steady_since, self.looks = signature, now, 1
        self.closed, self.tries, self.retry_at, self.given_up = False, 0, now, False

    def close(self) -> None:
        """Its writer has closed it; if it had done so before, what it held then is lost."""
        self.closed = True
        self.lost += self._rewritten
        self._rewritten = False

    def failed(self, problem: str, now: float) -> None:
        """Try again later, each time after twice the time."""
        self.problem = problem
        self.retry_at = now + min(0.25 * 2**self.tries, 2.0)
        self.tries += 1

    def finish(self) -> None:
        """Everything in it has been dealt with, until it changes."""
        self.taken, self.problem, self.tries = self.signature, "", 0

    def steady_s(self, now: float) -> float:
        """Time since its last change, s."""
        return now - self.steady_since


@dataclass(slots=True)
class Inbox:
    """The files of one folder; call `scan`, then take what `due` yields."""

    folder: Path
    pattern: str = "*"
    timing: Timing = field(default_factory=Timing)
    entries: dict[str, Entry] = field(default_factory=dict)
    vanished: list[Entry] = field(default_factory=list)
    """Files that were deleted before they had been read; emptied by the reader."""
    _inodes: dict[Signature, Entry] = field(default_factory=dict)
    _ignored: set[str] = field(default_factory=set)
    _last_key: NaturalKey = ()

    def scan(self, now: float, closed: Iterable[str] = ()) -> None:
        """Look at every file once; raises `OSError` if the folder cannot be listed.

        Parameters
        ----------
        now : monotonic time, s.
        closed : names of files that have been closed or renamed since the last scan.
        """
        complete = set(closed)
        present = {}
        for name in os.listdir(self.folder):  # noqa: PTH208 - plain names, and much faster
            signature = self._signature(name)
            if signature:
                present[name] = signature
        for name, signature in present.items():
            self._look(name, signature, now)
            if name in complete:
                self.entries[name].close()
        self._note_vanished(present)

    def _signature(self, name: str) -> Signature:
        """Identity of the file `name`; empty if it does not count or is gone again."""
        if name in self._ignored:
            return ()
        path = self.folder / name
        if name not in self.entries and not counts(path, self.pattern):
            # an .emi is judged anew, its .ser may come or go
            if path.suffix.lower() != ".emi":
                self._ignored.add(name)
            return ()
        with contextlib.suppress(OSError):
            return signature_of(path)
        return ()

    def _look(self, name: str, signature: Signature, now: float) -> None:
        if name not in self.entries:
            entry = Entry(path=self.folder / name, key=natural_key(name), first_seen=now)
            old = self._inodes.get(signature[:2]) if signature[1] else None
            if old:
                # renamed or linked; should the inode be a new file's, the digest will tell
                entry.taken, entry.done, entry.digest = old.taken, old.done, old.digest
            self.entries[name] = entry
        self.entries[name].look(signature, now)

    def _note_vanished(self, present: dict[str, Signature]) -> None:
        inodes = {signature[:2] for signature in present.values() if signature[1]}
        for name in [name for name in self.entries if name not in present]:
            entry = self.entries[name]
            if entry.unread and entry.signature[:2] not in inodes:
                self.vanished.append(entry)
            entry.finish()
            if not entry.passed:
                del self.entries[name]

    def due(self, now: float) -> Iterator[Entry]:
        """Entries to be read now, in the order of acquisition."""
        unread = sorted(
            (entry for entry in self.entries.values() if entry.unread),
            key=lambda entry: (entry.key, entry.mtime_s),
        )
        for position, entry in enumerate(unread):
            waiting_behind = position + 1 < len(unread)
            if self._ready(entry, now, waiting_behind) and self._in_turn(entry, now):
                yield entry
            if entry.unread and self._blocks(entry, now):
                return

    def _ready(self, entry: Entry, now: float, waiting_behind: bool) -> bool:
        """Whether to read `entry` now; sets how far it may be trusted."""
        steady = entry.steady_s(now)
        settled = entry.looks >= 2 and steady >= self.timing.settle_s
        entry.growing = not settled and not entry.closed
        patience = BLOCKED_S if waiting_behind else self.timing.give_up_s
        entry.given_up |= bool(entry.problem) and steady >= patience
        if entry.growing:
            peeks = entry.path.suffix.lower() in _GROWING_SUFFIXES
            return peeks and now - max(entry.first_seen, entry.peeked_at) >= PEEK_S
        return now >= entry.retry_at or entry.given_up

    def _in_turn(self, entry: Entry, now: float) -> bool:
        """Whether nothing with a lower number is to be expected any more."""
        known = entry.passed or now - entry.first_seen >= self.timing.reorder_s
        return known or follows(entry.key, self._last_key)

    def _blocks(self, entry: Entry, now: float) -> bool:
        return not entry.passed and now - entry.first_seen < LONGEST_BLOCK_S

    def passed(self, entry: Entry) -> None:
        """Note that a frame of `entry` has been passed on."""
        entry.passed = True
        self._last_key = entry.key
        self._inodes[entry.signature[:2]] = entry

    def presume_complete(self, oldest_s: float) -> None:
        """Give no second chance to files not modified since `oldest_s`, s since the epoch."""
        for entry in self.entries.values():
            if entry.mtime_s <= oldest_s:
                entry.closed = entry.given_up = True

    @property
    def pending(self) -> bool:
        """Whether any file is not dealt with."""
        return any(entry.unread for entry in self.entries.values())
