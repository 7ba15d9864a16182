"""How kernels are compiled: ahead of the first frame, for given types, once per installation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import config

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

signed: Any = np.int64
unsigned: Any = np.uint64
"""Offsets into flat arrays: what cannot be negative needs no look at the array's end, and a
loop over it is vectorised. A slice instead costs two atomic additions, more than a short row."""

REORDERING = {"contract", "reassoc", "nsz", "arcp"}
"""What lets sums be vectorised. The order is fixed when the kernel is compiled, so equal
input gives equal output; infinities and NaN keep their meaning."""


not_kept: list[str] = []
"""Kernels for which no directory could be written; numba tries that of the program, then that
of the user, or what the environment variable NUMBA_CACHE_DIR says."""


compiled_now: list[str] = []
"""For each kernel that had to be compiled in this process, the directory that now keeps it."""


@contextlib.contextmanager
def _side_by_side() -> Iterator[None]:
    """Equal operations on neighbours become one vector; numba leaves that out by default."""
    before, config.SLP_VECTORIZE = config.SLP_VECTORIZE, 1
    try:
        yield
    finally:
        config.SLP_VECTORIZE = before


def compiled(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile for exactly `signature`, or take the machine code from the cache on disk."""

    def decorate(function: Kernel) -> Kernel:
        options: dict[str, Any] = {"nogil": True, "fastmath": REORDERING, "error_model": "numpy"}
        with _side_by_side():
            try:
                kernel = numba.njit(signature, cache=True, **options)(function)
                if kernel.stats.cache_misses:
                    compiled_now.append(str(kernel.stats.cache_path))
            except (RuntimeError, OSError):  # no directory to cache in: compile at every start
                not_kept.append(function.__name__)
                kernel = numba.njit(signature, **options)(function)
        return cast("Kernel", kernel)

    return decorate
