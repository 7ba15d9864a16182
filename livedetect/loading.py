"""Loading large libraries without looking for garbage meanwhile.

What they bring stays until the end, yet Python goes through all of it again and again: a third of
napari's loading, a fifth of that of the numerics.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Leave garbage alone meanwhile; afterwards all is as before."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
