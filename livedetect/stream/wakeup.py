"""Waking a thread that waits in a ZeroMQ poll, from any other thread.

ZeroMQ sockets belong to one thread; a pair of plain sockets is the portable way to reach
that thread (polling a pipe does not work on Windows).
"""

from __future__ import annotations

import contextlib
import socket


class WakeUp:
    """One bit that can be polled: raised from any thread, cleared by the waiting one."""

    def __init__(self) -> None:
        self._far, self._near = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._near.fileno()

    def raise_(self) -> None:
        """Wake the waiting thread; never blocks."""
        # a full buffer means that it has been woken already, a closed socket that it is gone
        with contextlib.suppress(OSError):
            self._far.send(b"\0")

    def clear(self) -> None:
        """Forget all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while len(self._near.recv(4096)) == 4096:
                continue

    def close(self) -> None:
        """Release both sockets."""
        self._far.close()
        self._near.close()
