"""Areas and segments on simulated streams: what is kept when the operator works."""

import io
from functools import cache

import numpy as np
import pytest

from livedetect import Detector, Settings
from livedetect.errors import SettingsError
from livedetect.stream.registry import open_simulator
from livedetect.types import Command, Phase
from tests.detect.streams import Run

WARM_UP = 8
BORN = f"size=256&detected_e_per_px=8&prescribed=4&damage_from={WARM_UP + 1}&births_until=16"


@cache
def operated(spec: str, *commands: tuple[int, str, int]) -> Run:
    """Run a detector, with commands (frame, name, area_id) before their frames."""
    detector, run = Detector(Settings(warm_up_frames=WARM_UP)), Run()
    for simulated in open_simulator(spec):
        index = simulated.frame.index
        for _, name, area in (entry for entry in commands if entry[0] == index):
            detector.apply(Command(name=name, args={"area_id": area}))
        result = detector.step(simulated.frame)
        run.truth[index] = {d.defect_id: d for d in simulated.truth}
        run.events += result.events
        run.results.append(result)
    return run


def said(run: Run, name: str = "source_changed") -> list[dict]:
    return [event.as_dict() for event in run.named(name)]


def misplaced(run: Run, frame: int) -> list[float]:
    """Distance of every true defect in view from the nearest marker, px."""
    tracks = run.results[frame].active_tracks
    return [
        min(float(np.hypot(t.x_px - d.x_px, t.y_px - d.y_px)) for t in tracks)
        for d in run.truth[frame].values()
        if d.in_view and d.birth_frame < frame - 2
    ]


def announced(run: Run) -> list[int]:
    named = (*run.named("defect_confirmed"), *run.named("defect_at_start"))
    return [event.frame for event in named]


def ids(run: Run, frame: int) -> set[int]:
    return {track.defect_id for track in run.results[frame].active_tracks}


CHANGES = [("zoom=22:1.3", 1.3), ("turn_deg=22:25", 1.0), ("dwell_to=22:16", 1.0)]


def test_hardly_anything_is_told_with_the_next_segment() -> None:
    """Six models are fitted, each of which may name a place wrongly once in fifty times."""
    runs = [
        operated(f"mos2?{BORN}&frames=34&{change}&seed={seed}")
        for change, _ in CHANGES
        for seed in (1, 2)
    ]
    assert sum(frame >= 22 for run in runs for frame in announced(run)) <= 1


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("change", "scale"), CHANGES)
def test_defects_are_carried_into_the_next_segment(change: str, scale: float, seed: int) -> None:
    run = operated(f"mos2?{BORN}&frames=34&{change}&seed={seed}")
    nearest_px = 16 / np.sqrt(3) * scale
    last = run.results[-1]
    assert (last.area_id, last.segment_id, last.phase) == (0, 1, Phase.LIVE)
    known = ids(run, 21)
    assert known <= ids(run, 33)
    assert max(misplaced(run, 33)) < max(0.3 * nearest_px, max(misplaced(run, 21)) * scale + 1)
    before = {t.defect_id: t for t in run.results[21].active_tracks}
    assert known
    for old in before.values():
        apart_nm = [np.hypot(t.x_nm - old.x_nm, t.y_nm - old.y_nm) for t in last.active_tracks]
        assert sum(apart < 0.3 * 0.316 / np.sqrt(3) for apart in apart_nm) == 1
    assert last.dose_e_per_A2 > run.results[21].dose_e_per_A2


def test_view_record_view_keeps_a_model_for_each() -> None:
    run = operated(f"mos2?{BORN}&frames=48&scan_size=22:320,36:256&seed=1")
    assert [result.disposition for result in run.results[36:]] == ["scored"] * 12
    assert [result.segment_id for result in run.results[35:37]] == [1, 2]
    assert "taken up again" in said(run)[1]["reason"]
    assert len(run.named("model_ready")) == 2
    assert ids(run, 47) == ids(run, 21)
    assert max(announced(run)) < 22
    assert max(misplaced(run, 47)) < 4


@pytest.mark.parametrize(
    ("spec", "areas"),
    [
        # a quarter of the new field was seen before, but all of the old one is in it
        ("a_px=28&zoom=22:0.5", {0}),
        # a quarter of the old field is seen again, which is all of the new one
        ("a_px=14&zoom=22:2", {0}),
        # the same zoom beside the old field
        ("a_px=14&zoom=22:2&stage=22:0.7", {1}),
    ],
)
def test_overlap_is_the_share_of_the_smaller_field(spec: str, areas: set[int]) -> None:
    run = operated(f"mos2?{BORN}&preexisting=0.01&frames=32&{spec}&seed=1")
    assert {result.area_id for result in run.results[30:]} == areas
    recognised = said(run, "place_recognised")
    assert [event["certain"] for event in recognised] == ([True] if areas == {0} else [])
    assert all(event["overlap"] > 0.9 for event in recognised)


FIELD = "preexisting=0.006&damage=0&detected_e_per_px=8&size=256"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_move_that_leaves_overlap_stays_in_the_area(seed: int) -> None:
    run = operated(f"mos2?{BORN}&preexisting=0.005&frames=34&stage=20:0.4&seed={seed}")
    assert run.results[-1].area_id == 0
    assert [event["cause"] for event in said(run)] in (["jump"], ["crowd"])
    assert said(run)[0]["overlap"] == pytest.approx(0.6, abs=0.05)
    assert max(announced(run)) < 20


@pytest.mark.parametrize("seed", [1, 2])
def test_a_move_further_away_starts_an_area_and_a_return_is_offered(seed: int) -> None:
    run = operated(
        f"mos2?{BORN}&preexisting=0.006&frames=56&stage=20:0.75,38:0&seed={seed}",
        (54, "return_to_area", 0),
    )
    at_first, last = run.results[19], run.results[-1]
    areas = [result.area_id for result in run.results]
    assert set(areas[24:38]) == {1}
    assert areas[53] == 2
    offers = [event for event in said(run) if "earlier_area" in event]
    assert [offer["earlier_area"] for offer in offers] == [0]
    per_frame = at_first.dose_e_per_A2 / 20
    assert run.results[37].dose_e_per_A2 == pytest.approx(18 * per_frame)
    assert last.area_id == 0
    assert last.dose_e_per_A2 == pytest.approx((20 + 18) * per_frame)
    assert ids(run, 19) <= ids(run, 55)
    assert max(misplaced(run, 55)) < 6


def test_an_area_that_is_not_offered_is_refused() -> None:
    with pytest.raises(SettingsError, match="not been offered"):
        Detector().apply(Command(name="return_to_area", args={"area_id": 3}))


@pytest.mark.parametrize("seed", [1, 2])
def test_refocusing_freezes_and_resumes(seed: int) -> None:
    focus = "focus=20:1.2,21:1.5,22:1.3,23:1.1,24:1"
    late = BORN.replace("births_until=16", "births_until=19")
    run = operated(f"mos2?{late}&frames=38&{focus}&seed={seed}")
    names = [event.event for event in run.events if event.event.startswith("optics")]
    assert names == ["optics_changing", "optics_steady"]
    assert not [frame for frame in announced(run) if frame >= 21]
    assert ids(run, 37) == ids(run, 19)
    assert run.results[-1].phase is Phase.LIVE


def test_another_focus_asks_for_another_baseline_instead_of_flooding() -> None:
    run = operated(f"mos2?{BORN}&frames=32&focus=20:1.5&seed=1")
    assert run.results[30].phase is Phase.DRIFTED
    assert "baseline" in said(run, "model_drifted")[0]["reason"]
    assert max(announced(run)) < 20


@pytest.mark.parametrize("seed", [1, 2])
def test_a_pause_makes_no_markers(seed: int) -> None:
    run = operated(f"mos2?{FIELD}&frames=32&pause_s=20:600&seed={seed}")
    assert max(announced(run), default=0) < 20
    assert {result.area_id for result in run.results} == {0}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pause_holds_births_up_for_one_frame_at_most(seed: int) -> None:
    spec = f"mos2?{BORN}&frames=30&detected_e_per_px=20&births_until=24&damage_from=20&seed={seed}"
    without, after = (
        [frame for frame in announced(operated(stream)) if frame >= 20]
        for stream in (spec, f"{spec}&pause_s=20:60")
    )
    assert len(after) >= len(without) - 1 > 0
    assert after[0] <= max(without[0], 21)
    assert max(after) <= max(without) + 1


def test_the_state_holds_every_area_and_segment() -> None:
    frames = [s.frame for s in open_simulator(f"mos2?{BORN}&frames=30&zoom=20:1.3&seed=1")]
    detector = Detector(Settings(warm_up_frames=WARM_UP))
    for frame in frames[:24]:
        detector.step(frame)
    file = io.BytesIO()
    np.savez(file, **detector.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        twin = Detector.from_state(dict(saved))
    for frame in frames[24:]:
        one, other = detector.step(frame), twin.step(frame)
        assert (one.events, one.active_tracks) == (other.events, other.active_tracks)
    assert len(one.active_tracks) == 4
