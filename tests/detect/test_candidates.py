"""Which places belong to defects that are known."""

import numpy as np

from livedetect.detect.candidates import apart_from, unclaimed

NOTHING = np.zeros((0, 2))


def along(*x: float) -> np.ndarray:
    return np.array([[value, 0.0] for value in x])


def test_a_known_defect_is_the_first_of_several_places_near_it() -> None:
    assert unclaimed(along(0), along(4, -4, 20), 10).tolist() == [False, True, True]


def test_a_place_belongs_to_the_nearest_defect_only() -> None:
    assert unclaimed(along(0, 12), along(3, 13.5), 10).tolist() == [False, False]


def test_nothing_is_known_or_nothing_is_seen() -> None:
    assert unclaimed(NOTHING, along(1, 2), 10).tolist() == [True, True]
    assert unclaimed(along(1), NOTHING, 10).tolist() == []
    assert apart_from(NOTHING, along(1, 2), 10).tolist() == [True, True]


def test_places_apart_from_what_is_known() -> None:
    assert apart_from(along(0), along(4, 11), 10).tolist() == [False, True]
