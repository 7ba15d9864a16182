"""What settles on the crystal and grows is told from columns that change."""

import numpy as np
import pytest

from livedetect import Detector, Frame
from livedetect.stream.registry import open_simulator

SPEC = "{}?size=256&frames=70&detected_e_per_px=5&seed={}"
SPOT_PX = 30.0
GROWTH = 5 * 1.5 / 80
"""Electrons that the middle of the spot adds with every frame: 1.5 means in 80 frames."""


def contaminated(spec: str, seed: int) -> tuple[list, dict]:
    """What is confirmed, and the true defects, of a stream with a spot that grows."""
    detector, rng = Detector(), np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    left, top = rng.uniform(80, 176, 2)
    spot = np.exp(-((x - left) ** 2 + (y - top) ** 2) / 2 / SPOT_PX**2)
    told, there = [], {}
    for simulated in open_simulator(spec):
        more = rng.poisson(GROWTH * simulated.frame.index * spot)
        data = (simulated.frame.data + more).astype(np.float32)
        result = detector.step(Frame.from_array(data, index=simulated.frame.index))
        told += [event for event in result.events if event.event == "defect_confirmed"]
        there |= {defect.defect_id: defect for defect in simulated.truth if defect.in_view}
    return told, there


@pytest.mark.parametrize(("crystal", "seeds"), [("graphene", (1, 2)), ("square", (3,))])
def test_a_growing_spot_of_contamination_has_no_markers(crystal: str, seeds: tuple) -> None:
    specs = [SPEC.format(crystal, seed) + "&damage=0" for seed in seeds]
    told = [contaminated(spec, seed)[0] for spec, seed in zip(specs, seeds, strict=True)]
    assert sum(map(len, told)) <= 1


def test_columns_that_go_in_and_beside_it_are_told() -> None:
    spec = SPEC.format("graphene", 1) + "&prescribed=14&damage_from=16&births_until=56&drift_px=0"
    told, there = contaminated(spec, 1)
    found = [
        any(np.hypot(e.x_px - d.x_px, e.y_px - d.y_px) < 6 for e in told) for d in there.values()
    ]
    assert len(found) >= 10
    assert np.mean(found) >= 0.9
