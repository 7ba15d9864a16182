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
    """Let what is loaded stay; what is loaded then is never gone through again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
