"""How a frame was scanned, and the dose that follows; part of `livedetect.types`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from livedetect.errors import CalibrationError

ELEMENTARY_CHARGE_C = 1.602176634e-19

CurrentSource = Literal["instrument", "operator", "unknown"]

_ABOVE_ZERO = ("pixel_size_nm", "pixel_aspect")
# 0 as well: the beam may be blanked
_FROM_ZERO = ("dwell_us", "current_pA", "high_tension_kv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a frame was scanned. None means: the source did not say.

    Raises `CalibrationError` for values that cannot be.
    """

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

    def __post_init__(self) -> None:
        for name in (*_ABOVE_ZERO, *_FROM_ZERO):
            object.__setattr__(self, name, _checked(name, getattr(self, name)))

    @property
    def dose_per_frame_e_per_A2(self) -> float | None:  # noqa: N802 - the unit is written A
        """Incident fluence of one scan, I t / (e A), in electrons per square ångström.

        None unless current, dwell time and pixel size are all known: a dose is never guessed.
        """
        if self.pixel_size_nm is None or self.dwell_us is None or self.current_pA is None:
            return None
        electrons = self.current_pA * 1e-12 * self.dwell_us * 1e-6 / ELEMENTARY_CHARGE_C
        return electrons / (self.pixel_size_nm**2 * self.pixel_aspect * 100.0)


def _checked(name: str, value: Any) -> float | None:
    """`value` as a float; raises `CalibrationError` unless it is None or an allowed number."""
    optional, zero = name != "pixel_aspect", name in _FROM_ZERO
    if value is None and optional:
        return None
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (number > 0 or (zero and number == 0)):
            return number
    least = "of at least 0" if zero else "above 0"
    unknown = ", or None where it is not known" if optional else ""
    raise CalibrationError(f"{name} = {value!r}: a finite number {least} is needed{unknown}")
