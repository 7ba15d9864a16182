"""Defects beside places that cannot be judged yet."""

from types import SimpleNamespace

import numpy as np

from livedetect.detect.candidates import may_be_fringe

SITES = np.array([[float(x), 0.0] for x in range(0, 100, 10)])


class Sites:
    """Sites in a row."""

    def sites_at(self, positions: np.ndarray) -> np.ndarray:
        return np.abs(positions[:, None, 0] - SITES[:, 0]).argmin(axis=1)


def told(*kinds_at: tuple[str, float]) -> list[bool]:
    judged = SITES[:, 0] >= 30
    candidates = [SimpleNamespace(kind=k, position=np.array([x, 0.0])) for k, x in kinds_at]
    return may_be_fringe(candidates, Sites(), judged, 10.0).tolist()


def test_an_unexplained_change_beside_a_place_not_judged_yet_may_be_its_fringe() -> None:
    assert told(("unknown", 30.0), ("unknown", 60.0), ("vacancy", 30.0)) == [True, False, False]
    assert told() == []
