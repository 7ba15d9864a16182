"""Memory of this process."""

from __future__ import annotations


def resident_mb() -> float:
    """Resident memory, MB; 0 where it cannot be told."""
    try:
        import psutil  # noqa: PLC0415 - not a dependency
    except ImportError:
        return 0.0
    return float(psutil.Process().memory_info().rss / 2**20)


def peak_mb() -> float:
    """Largest resident memory so far, MB; 0 where it cannot be told."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return 0.0
    kilobytes: float = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1024
