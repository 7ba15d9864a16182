"""Defects beside places that cannot be judged yet."""

from types import SimpleNamespace

import numpy as np
import pytest

from livedetect import Detector
from livedetect.detect.candidates import Coming, may_be_fringe
from livedetect.stream.registry import open_simulator
from tests.detect.streams import watch

SITES = np.array([[float(x), 0.0] for x in range(0, 100, 10)])


class Sites:
    """Sites in a row; the patch of each is one sample."""

    def sites_at(self, positions: np.ndarray) -> np.ndarray:
        return np.abs(positions[:, None, 0] - SITES[:, 0]).argmin(axis=1)

    def take(self, values: np.ndarray, sites: np.ndarray) -> np.ndarray:
        return values[sites][:, None]


def told(shown: bool, *kinds_at: tuple[str, float]) -> list[bool]:
    """Of changes at places in the row, whose first three sites are not judged."""
    history = np.where(SITES[:, 0] >= 30, 255, 2 + shown).astype(np.uint8)
    coming = Coming(SITES[:, 0] >= 30, history)
    candidates = [SimpleNamespace(kind=k, position=np.array([x, 0.0])) for k, x in kinds_at]
    return may_be_fringe(candidates, Sites(), coming, 10.0).tolist()


def test_an_unexplained_change_beside_a_place_not_judged_yet_may_be_its_fringe() -> None:
    changes = ("unknown", 30.0), ("unknown", 60.0), ("vacancy", 30.0)
    assert told(True, *changes) == [True, False, False]
    assert told(True) == []


def test_what_is_never_shown_hides_nothing() -> None:
    assert told(False, ("unknown", 30.0)) == [False]


def test_what_is_born_outside_the_watched_area_and_drifts_in_is_told() -> None:
    """What it froze never became known, and what waited for it to become known was never told."""
    run = watch("graphene?detected_e_per_px=5&frames=150&size=256&drift_px=0.6&seed=5")
    delays, false = run.matched(5.5)
    assert not false
    assert len(delays) >= 25  # 22 before


@pytest.mark.parametrize("a_px", [8, 16])
def test_every_watched_place_is_told_of_where_nothing_drifts(a_px: int) -> None:
    detector = Detector()
    for simulated in open_simulator(
        f"mos2?size=256&a_px={a_px}&drift_px=0&walk_px=0&damage=0&frames=16&seed=1"
    ):
        detector.step(simulated.frame)
    method = detector._places.area.model.method
    watched = np.flatnonzero(method._watched)
    changes = [
        SimpleNamespace(kind="unknown", position=place)
        for place in method._patches.positions[watched]
    ]
    coming = Coming(method._ready, method._baseline.history)
    assert len(changes) > 500
    assert not may_be_fringe(changes, method._patches, coming, method.merge_radius_px).any()
