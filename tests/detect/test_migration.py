"""A defect that hops keeps its number; one that forms beside another is another."""

import numpy as np

from tests.detect.streams import Run, watch

HOPS = "mos2?size=192&frames=70&prescribed=3&births_until=22&kinds=metal_vacancy&migration=0.04"
CROWDED = "mos2?size=192&frames=50&damage=8&max_defects=12&isolated=0&clustering=30&damage_from=14"


def hops(run: Run) -> list[int]:
    """Frames at which a defect of the truth stands elsewhere than before, drift apart."""
    places: dict[int, np.ndarray] = {}
    found = []
    for result in run.results:
        seen = result.registration
        if seen is None:
            continue
        for number, defect in run.truth[result.frame].items():
            place = np.array([defect.x_px - seen.drift_x_px, defect.y_px - seen.drift_y_px])
            if number in places and np.hypot(*(place - places[number])) > 8:
                found.append(result.frame)
            places[number] = place
    return found


def test_a_defect_that_hops_keeps_its_number() -> None:
    run = watch(f"{HOPS}&seed=2&detected_e_per_px=8")
    moved = run.named("defect_migrated")
    assert len(hops(run)) >= 4
    assert len(moved) == len(hops(run))
    for event, frame in zip(moved, hops(run), strict=True):
        assert frame <= event.frame <= frame + 2
        truth = run.truth[event.frame].values()
        assert min(np.hypot(event.x_px - d.x_px, event.y_px - d.y_px) for d in truth) < 4
    assert {event.defect_id for event in moved} <= {0, 1, 2}
    assert len(run.named("defect_confirmed")) == 3
    assert not run.named("defect_healed")
    assert {track.defect_id for track in run.results[-1].active_tracks} == {0, 1, 2}


def test_a_defect_beside_another_is_no_hop() -> None:
    run = watch(f"{CROWDED}&kinds=metal_vacancy&seed=1&detected_e_per_px=8")
    assert len(run.births) >= 8
    assert not run.named("defect_migrated")
