"""`TrueDefect`: what a simulator knows of a defect; exported by `livedetect.types`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueDefect:
    """One defect of a simulated frame, where it really is."""

    frame: int
    """Index of the frame."""
    defect_id: int
    """Unique in the simulation."""
    x_px: float
    """Position in this frame, px."""
    y_px: float
    """Position in this frame, px."""
    kind: str
    """What the simulator did."""
    birth_frame: int
    """First frame that shows it."""
    radius_px: float = 0.0
    """Radius of an extended object; 0 for a point defect."""
    snr2: float | None = None
    """Information of the known signal per frame, d'^2."""
    extent_px: float = 0.0
    """Radius of the area the birth changed, px."""
    in_view: bool = True
    """At least one lattice constant from the edge."""
