"""Everything compiled before the first frame arrives, and the user told if that takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 2.0
"""Within this nobody need be told; most starts only read compiled code from the disk."""
POLL_S = 0.2
BLAS_THREADS = 1
"""Two threads of BLAS beside the hot path made every twentieth frame ten times as slow."""


def prepare_numerics(tell: Callable[[str], None]) -> None:
    """Compile the numerics, or read them from the cache on the disk; set their threads."""
    from livedetect.detect.kernels import is_available, not_kept

    done = threading.Event()
    began_unix_s = time.time()
    watch = threading.Thread(
        target=_tell_of_compiling,
        args=(tell, done, began_unix_s),
        name="livedetect-preparation",
        daemon=True,
    )
    watch.start()
    try:
        compiled = is_available()
    finally:
        done.set()
        watch.join()
    if not compiled:
        tell("numba is missing: every frame will take about ten times as long as it could.")
    elif not_kept():
        tell(
            "The compiled numerics cannot be stored, so every start takes this long: "
            "set NUMBA_CACHE_DIR to a directory that can be written."
        )
    set_threads()


def _tell_of_compiling(
    tell: Callable[[str], None], done: threading.Event, began_unix_s: float
) -> None:
    """Say why it takes long, once, if something is compiled: a slow disk alone is no reason."""
    from livedetect.detect.kernels import compiled_into

    patience_s = PATIENCE_S
    while not done.wait(patience_s):
        patience_s = POLL_S
        if directory := compiled_into():
            tell(why_compiling(Path(directory), began_unix_s))
            return


def why_compiling(directory: Path, began_unix_s: float) -> str:
    """Why kernels whose machine code goes into `directory` are compiled now, for the user.

    `began_unix_s` is when this program began to look for them: what is older is of an earlier one.
    """
    stored = [path.stat().st_mtime for path in directory.glob("*.nbi")]
    if any(at_s < began_unix_s for at_s in stored):
        return (
            "Compiling the numerics again, up to a minute: livedetect, numba, Python or the "
            f"processor is not the one for which those in {directory} were stored ..."
        )
    return (
        "Compiling the numerics, half a minute to a minute; once for this installation, "
        f"then they are read from {directory} ..."
    )


def set_threads() -> None:
    """One thread for the linear algebra of this process; the kernels have none of their own."""
    from threadpoolctl import threadpool_limits

    import livedetect.detect.detector  # noqa: F401 - only what is loaded can be limited

    threadpool_limits(BLAS_THREADS)
