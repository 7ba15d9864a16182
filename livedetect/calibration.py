"""How a frame was scanned, and the dose that follows; part of `livedetect.types`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ELEMENTARY_CHARGE_C = 1.602176634e-19

CurrentSource = Literal["instrument", "operator", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a frame was scanned. None means: the source did not say."""

    pixel_size_nm: float | None = None
    """Width of a pixel (x), nm."""
    pixel_aspect: float = 1.0
    """Height of a pixel over its width, dimensionless."""
    dwell_us: float | None = None
    """Dwell time per pixel, µs."""
    current_pA: float | None = None  # noqa: N815 - the unit is written pA
    """Probe current, pA."""
    current_source: CurrentSource = "unknown"
    """Who said the current."""
    high_tension_kv: float | None = None
    """Acceleration voltage, kV."""
    rotation_deg: float | None = None
    """Scan rotation, degrees."""

    @property
    def dose_per_frame_e_per_A2(self) -> float | None:  # noqa: N802 - the unit is written A
        """Incident fluence of one scan, I t / (e A), in electrons per square ångström.

        None unless current, dwell time and pixel size are all known: a dose is never guessed.
        """
        if self.pixel_size_nm is None or self.dwell_us is None or self.current_pA is None:
            return None
        electrons = self.current_pA * 1e-12 * self.dwell_us * 1e-6 / ELEMENTARY_CHARGE_C
        return electrons / (self.pixel_size_nm**2 * self.pixel_aspect * 100.0)
