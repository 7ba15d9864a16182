"""Names of events that several rooms ask for."""

from __future__ import annotations

ANNOUNCED = ("defect_confirmed", "defect_at_start")
"""What a defect is announced by, exactly once."""
MODELS = ("model_ready", "model_refitted")
"""What a model that is in use from then on is announced by."""
