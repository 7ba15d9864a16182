from dataclasses import replace

import numpy as np

from livedetect.detect.drift_alarm import DriftAlarm
from livedetect.detect.method import Candidate
from livedetect.detect.tracking import HEALED_FRAMES, SIGNATURE_FRAMES, Defect, Tracker


def candidate(x: float, y: float, score: float = 100.0) -> Candidate:
    return Candidate(
        position=np.array([x, y]),
        score=score,
        p_value=1e-9,
        window_frames=1,
        sublattice=0,
        kind="vacancy",
        confidence=0.5,
    )


def tracker_with(*candidates: Candidate) -> Tracker:
    tracker = Tracker(10.0)
    for number, entry in enumerate(candidates):
        tracker.defects.append(
            Defect(
                defect_id=number,
                position=entry.position,
                candidate=entry,
                first_seen_frame=0,
                confirmed_frame=0,
                last_seen_frame=0,
            )
        )
    return tracker


def test_a_defect_seen_again_is_no_new_one() -> None:
    tracker = tracker_with(candidate(50, 50))
    assert tracker.unexplained([candidate(54, 53, 150)], 7) == []
    assert tracker.defects[0].last_seen_frame == 7
    assert tracker.defects[0].position.tolist() == [54, 53]


def test_what_a_defect_was_called_stays_but_unknown_is_no_name() -> None:
    later = replace(candidate(51, 50, 150), kind="antisite", confidence=0.9)
    named = tracker_with(candidate(50, 50))
    named.unexplained([later], 7)
    assert named.defects[0].candidate.kind == "vacancy"
    assert named.defects[0].candidate.score == 150
    nameless = tracker_with(replace(candidate(50, 50), kind="unknown", confidence=0.0))
    nameless.unexplained([later], 7)
    assert nameless.defects[0].candidate.kind == "antisite"


def test_a_weak_marker_beside_a_strong_defect_is_its_fringe() -> None:
    tracker = tracker_with(candidate(50, 50, 1000))
    assert tracker.unexplained([candidate(65, 50, 100)], 1) == []
    assert len(tracker.unexplained([candidate(65, 50, 900)], 1)) == 1
    assert len(tracker.unexplained([candidate(90, 50, 100)], 1)) == 1


def test_a_defect_of_the_first_frames_hides_nothing() -> None:
    tracker = tracker_with(candidate(50, 50, 1000))
    tracker.defects[0].at_start = True
    assert len(tracker.unexplained([candidate(52, 50, 80)], 1)) == 1


def test_a_defect_heals_when_its_signal_stays_away() -> None:
    tracker = tracker_with(candidate(50, 50))
    signature = np.linspace(-5, 3, 20)
    healed = []
    for _ in range(SIGNATURE_FRAMES + 5):
        healed += tracker.heal(signature[None])
    assert healed == []
    for _ in range(HEALED_FRAMES):
        healed += tracker.heal(0.1 * signature[None])
    assert [defect.defect_id for defect in healed] == [0]
    assert tracker.active == []


def test_a_defect_out_of_view_does_not_heal() -> None:
    tracker = tracker_with(candidate(50, 50))
    for _ in range(SIGNATURE_FRAMES):
        tracker.heal(np.ones((1, 20)))
    for _ in range(3 * HEALED_FRAMES):
        assert tracker.heal(np.full((1, 20), np.nan)) == []


def test_the_drift_alarm_asks_once_and_recovers() -> None:
    alarm = DriftAlarm()
    said = [alarm.step(share) for share in [0.003] * 5 + [0.07] * 10 + [0.004] * 10]
    assert [bool(text) for text in said].count(True) == 2
    assert "set the baseline" in said[9]
    assert not alarm.drifted


def test_a_burst_is_not_believed_even_for_one_frame() -> None:
    alarm = DriftAlarm()
    alarm.step(0.3)
    assert alarm.suspends
    assert not alarm.drifted
    alarm.step(0.002)
    assert not alarm.suspends


def test_that_regions_cover_most_of_the_view_is_said_once() -> None:
    alarm = DriftAlarm()
    said = [alarm.follow_regions(share) for share in [0.4] * 10 + [0.6] * 4 + [0.4] + [0.7] * 20]
    (frame,) = [index for index, text in enumerate(said) if text]
    assert frame == 19
    assert "set the baseline" in said[frame]
    assert not alarm.asks


def test_a_new_model_may_see_a_kept_defect_otherwise() -> None:
    before = tracker_with(candidate(10, 10))
    before.heal(np.ones((1, 25)))
    (kept,) = before.defects
    after = before
    after.enter(np.array([[12.0, 10.0]]), learnt=())
    for _ in range(SIGNATURE_FRAMES):
        assert after.heal(np.ones((1, 13))) == []
    healed = [after.heal(np.zeros((1, 13))) for _ in range(HEALED_FRAMES)]
    assert healed[-1] == [kept]


def test_what_a_model_has_learnt_leaves_no_signal_and_does_not_heal_for_that() -> None:
    tracker = tracker_with(candidate(10, 10))
    tracker.enter(np.array([[12.0, 10.0]]), learnt=(tracker.defects[0].defect_id,))
    assert tracker.newcomers() == []
    assert tracker.unexplained([candidate(12, 11)], 5) == []
    assert tracker.unknown([candidate(12, 11), candidate(60, 60)])[0].position[0] == 60
