"""What an operator is shown of a defect: before, after and the residual."""

import dataclasses

import numpy as np
import pytest

import livedetect
from livedetect.errors import SettingsError
from livedetect.inspection import INSPECTION_SAMPLES, Inspectable
from livedetect.types import Command

SPEC = "sim:mos2?seed=1&size=256&frames=45&damage_from=16"


@pytest.fixture(scope="module")
def watched():
    """A detector that has seen some defects, and its latest result."""
    detector = livedetect.Detector()
    for frame in livedetect.open_source(SPEC):
        result = detector.step(frame)
    return detector, result


def middle(picture):
    third = INSPECTION_SAMPLES // 3
    return picture[third:-third, third:-third]


def test_pictures_show_the_change_at_the_defect(watched):
    detector, result = watched
    born = [t for t in result.active_tracks if not t.at_start and t.region_id is None]
    shown = max((detector.inspect(t.defect_id) for t in born), key=_strength)
    assert shown.before.shape == shown.after.shape == shown.residual.shape == (64, 64)
    assert shown.before.dtype == np.float32
    assert (shown.frames_before, shown.frames_after) == (12, 8)
    assert shown.frame == result.frame
    assert np.nanmax(np.abs(middle(shown.residual))) > 5
    change = np.abs(shown.after - shown.before)
    assert np.nanmax(middle(change)) > 3 * np.nanmedian(change)


def _strength(shown):
    return np.nan_to_num(np.abs(middle(shown.residual))).max()


def test_a_detector_is_inspectable_and_says_what_it_cannot_show(watched):
    detector, _ = watched
    assert isinstance(detector, Inspectable)
    with pytest.raises(SettingsError, match="no defect has the id 4711"):
        detector.inspect(4711)
    with pytest.raises(SettingsError, match="being learnt"):
        livedetect.Detector().inspect(0)


def test_a_dismissed_defect_leaves_the_markers_and_can_come_back(watched):
    detector, result = watched
    defect_id = result.active_tracks[0].defect_id
    frames = iter(livedetect.open_source(SPEC))
    last = dataclasses.replace(next(frames), index=result.frame + 1)
    detector.apply(Command(name="dismiss", args={"defect_id": defect_id}))
    after = detector.step(last)
    assert defect_id in [t.defect_id for t in after.dismissed_tracks]
    assert defect_id not in [t.defect_id for t in after.active_tracks]
    assert detector.inspect(defect_id).defect_id == defect_id
    detector.apply(Command(name="accept", args={"defect_id": defect_id}))
    assert not detector.step(dataclasses.replace(last, index=last.index + 1)).dismissed_tracks


def test_methods_without_a_map_show_the_means_only():
    detector = livedetect.Detector(livedetect.Settings(method="patterson"))
    for frame in livedetect.open_source(f"{SPEC}&detected_e_per_px=60"):
        result = detector.step(frame)
    shown = detector.inspect(result.active_tracks[0].defect_id)
    assert shown.residual is None
    assert np.isfinite(shown.before).any()


def test_a_restored_detector_looks_at_what_comes_in_next(watched):
    restored = livedetect.Detector.from_state(watched[0].state())
    with pytest.raises(SettingsError, match="nothing to look at yet"):
        restored.inspect(watched[1].active_tracks[0].defect_id)
