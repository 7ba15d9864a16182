"""The whole line on simulated streams, with margins that several seeds keep."""

import dataclasses
import io

import numpy as np
import pytest

import livedetect
from livedetect import Detector, Frame, Gap, Phase, Settings
from livedetect.errors import SettingsError
from livedetect.stream.registry import open_simulator
from livedetect.types import Command, Rejection
from tests.detect.streams import frames, watch

SMALL = "size=256&frames=60"


def f1(run: object, radius_px: float, within: int = 6) -> float:
    delays, false = run.matched(radius_px)  # type: ignore[attr-defined]
    births = run.births  # type: ignore[attr-defined]
    found = sum(delay <= within for delay in delays.values())
    recall = found / len(births)
    precision = len(delays) / max(1, len(delays) + len(false))
    return 2 * precision * recall / max(precision + recall, 1e-9)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("crystal", "signal"), [("mos2", 5), ("graphene", 2), ("zro2", 2), ("ws2", 20), ("square", 3)]
)
def test_defects_are_found_as_they_form(crystal: str, signal: float, seed: int) -> None:
    spec = f"{crystal}?{SMALL}&detected_e_per_px={signal}&prescribed=8&births_until=50&seed={seed}"
    run = watch(spec)
    radius = 0.6 * open_simulator(spec).meta["nn_px"]
    assert f1(run, radius) >= 0.85
    assert len(run.matched(radius)[1]) <= 1


@pytest.mark.parametrize("crystal", ["mos2", "zro2"])
def test_a_crystal_that_does_not_change_gets_no_markers(crystal: str) -> None:
    run = watch(f"{crystal}?size=256&frames=220&damage=0&background=0.25&seed=4")
    assert len(run.named("defect_confirmed")) <= 2
    assert len(run.named("defect_at_start")) <= 2
    assert run.results[-1].phase is Phase.LIVE


def test_markers_stay_where_the_defect_is_while_the_specimen_drifts() -> None:
    run = watch(f"graphene?{SMALL}&prescribed=5&births_until=30&drift_px=0.8&seed=5")
    last = run.results[-1]
    for truth in run.truth[last.frame].values():
        if truth.in_view:
            distance = [apart(track, truth) for track in last.active_tracks]
            assert min(distance) < 3.0


@pytest.mark.parametrize("integrate", [1, 4])
def test_a_bare_array_is_told_to_be_wrapped(integrate: int) -> None:
    engine = livedetect.engine_for(Settings(integrate=integrate))
    with pytest.raises(TypeError, match=r"ndarray is no Frame: wrap it with Frame\.from_array"):
        engine.step(np.zeros((64, 64)))  # type: ignore[arg-type]


def apart(one: object, other: object) -> float:
    return float(np.hypot(one.x_px - other.x_px, one.y_px - other.y_px))  # type: ignore[attr-defined]


@pytest.mark.parametrize("a_px", [8, 32, 48])
def test_sampling_needs_no_setting(a_px: int) -> None:
    size = 256 if a_px < 20 else 640
    signal = 5 * (16 / a_px) ** 2
    spec = (
        f"graphene?size={size}&frames=44&a_px={a_px}&detected_e_per_px={signal}"
        "&prescribed=5&births_until=36&seed=6"
    )
    run = watch(spec)
    assert f1(run, 0.6 * open_simulator(spec).meta["nn_px"]) >= 0.7


def test_other_detectors_and_contrasts() -> None:
    for extra in ("gain=30&offset=500&read_noise=20&bits=16", "invert=1", "bits=32&gain=0.001"):
        spec = f"graphene?{SMALL}&detected_e_per_px=10&prescribed=6&births_until=50&{extra}&seed=7"
        run = watch(spec)
        assert f1(run, 0.6 * open_simulator(spec).meta["nn_px"]) >= 0.8, extra


def test_what_forms_beyond_the_watched_area_has_no_marker_at_its_fringe() -> None:
    spec = "mos2?frames=40&size=256&detected_e_per_px=5&prescribed=12&births_until=30&seed=101"
    births = {d.defect_id: d for d in watch(spec).truth[30].values()}
    assert len(births) == 12
    told = 0
    for defect in births.values():
        beyond = int(defect.x_px) + 5
        run = watch(spec, Settings(roi=(beyond, 0, 256, 256)))
        at_fringe = [
            event
            for event in run.named("defect_confirmed")
            if np.hypot(event.x_px - defect.x_px, event.y_px - defect.y_px) < 8
        ]
        assert not at_fringe
        told += len(run.named("defect_confirmed"))
    assert told > 12


def test_births_in_the_warm_up_are_told_afterwards() -> None:
    run = watch("graphene?size=256&frames=24&prescribed=6&damage_from=5&births_until=10&seed=3")
    early = [event for event in run.named("defect_confirmed") if event.during_warm_up]
    assert {event.frame for event in early} == {11}
    assert len(early) >= 4
    for event in early:
        near = [
            truth
            for truth in run.truth[11].values()
            if np.hypot(truth.x_px - event.x_px, truth.y_px - event.y_px) < 6
        ]
        assert abs(near[0].birth_frame - event.first_seen_frame) <= 1


def test_defects_of_the_first_frames_are_reported_once_and_as_such() -> None:
    run = watch("graphene?size=256&frames=30&preexisting=0.02&damage=0&detected_e_per_px=10&seed=2")
    there = [truth for truth in run.truth[12].values() if truth.in_view]
    found = [
        min(np.hypot(e.x_px - t.x_px, e.y_px - t.y_px) for e in run.named("defect_at_start"))
        for t in there
    ]
    assert np.mean(np.array(found) < 5) >= 0.6
    assert len(run.named("defect_confirmed")) <= 1


def test_no_lattice_falls_back_and_says_so() -> None:
    rng = np.random.default_rng(0)
    detector = Detector()
    events = []
    for index in range(20):
        frame = Frame.from_array(rng.poisson(5, (256, 256)), index=index)
        events += detector.step(frame).events
    ready = [event.as_dict() for event in events if event.event == "model_ready"]
    assert len(ready) == 1
    assert ready[0]["fallback"] is True
    assert ready[0]["lattice_nm"] is None
    assert "no lattice" in ready[0]["warnings"][0]
    assert [event.event for event in events if event.event == "defect_confirmed"] == []


def test_bad_frames_are_named_and_the_run_goes_on() -> None:
    stream = frames(f"graphene?{SMALL}&damage=0&seed=8")
    detector = Detector()
    wreck = stream[30].data.astype(np.float32)
    wreck[100:] = 0
    dispositions = []
    for frame in stream[:40]:
        given = Frame.from_array(wreck, index=30) if frame.index == 30 else frame
        given = Frame.from_array(given.data, index=frame.index)
        result = detector.step(given)
        dispositions.append(result.disposition)
        assert not [e for e in result.events if e.event == "defect_confirmed"]
    assert dispositions.count("warm_up") == 12
    assert dispositions[30] == "invalid" or dispositions[30] == "suspect"
    assert dispositions.count("scored") == 27


def test_vacuum_in_the_middle_is_suspect_and_not_a_hole() -> None:
    stream = frames(f"graphene?{SMALL}&damage=0&seed=8")
    detector = Detector()
    for frame in stream[:20]:
        detector.step(frame)
    empty = np.random.default_rng(0).poisson(3, (256, 256)).astype(np.uint16)
    blank = dataclasses.replace(stream[20], data=empty)
    result = detector.step(blank)
    assert result.disposition == "suspect"
    assert "not visible" in result.events[0].as_dict()["message"]
    assert detector.step(stream[21]).disposition == "scored"


def test_a_change_of_shape_starts_a_segment_and_warms_up_again() -> None:
    detector = Detector(Settings(warm_up_frames=6))
    for frame in frames("mos2?size=256&frames=10&damage=0"):
        detector.step(frame)
    smaller = frames("mos2?size=192&frames=8&damage=0")
    results = [
        detector.step(Frame(data=f.data, index=10 + f.index, calibration=f.calibration))
        for f in smaller
    ]
    assert results[0].events[0].event == "source_changed"
    assert results[0].segment_id == 1
    assert [result.disposition for result in results] == ["warm_up"] * 6 + ["scored"] * 2


def test_gaps_and_rejections_pass_through() -> None:
    detector = Detector()
    gap = detector.step(Gap(first_missing=3, missing_frames=2, reason="late join"))
    assert gap.events[0].as_dict()["missing_frames"] == 2
    result = detector.step(Rejection(index=5, reason="skipped", message="newest wins"))
    assert result.disposition == "skipped"
    assert result.events[0].as_dict()["reason"] == "skipped"


def test_the_crystal_is_learnt_again_from_as_few_frames_as_are_allowed() -> None:
    detector = Detector(Settings(warm_up_frames=3))
    phases = []
    for number, simulated in enumerate(open_simulator("mos2?size=256&damage=0&frames=9&seed=1")):
        if number == 5:
            detector.apply(Command(name="rebaseline"))
        phases.append(detector.step(simulated.frame).phase)
    assert phases[4] == phases[8] == Phase.LIVE
    assert phases[5] == Phase.WARMING_UP


def test_rebaseline_keeps_the_defects() -> None:
    stream = frames(f"graphene?{SMALL}&prescribed=4&births_until=22&seed=3")
    detector = Detector()
    for frame in stream[:30]:
        before = detector.step(frame)
    detector.apply(Command(name="rebaseline"))
    for frame in stream[30:45]:
        after = detector.step(frame)
    assert len(before.active_tracks) >= 3
    new = {track.defect_id: track for track in after.active_tracks}
    for track in before.active_tracks:
        assert apart(new[track.defect_id], track) < 12  # the drift of fifteen frames


def test_dismissed_defects_are_not_shown() -> None:
    stream = frames(f"graphene?{SMALL}&prescribed=3&births_until=22&seed=3")
    detector = Detector()
    for frame in stream[:30]:
        result = detector.step(frame)
    wanted = result.active_tracks[0].defect_id
    detector.apply(Command(name="dismiss", args={"defect_id": wanted}))
    shown = {track.defect_id for track in detector.step(stream[30]).active_tracks}
    assert wanted not in shown
    with pytest.raises(SettingsError, match="no defect has the id 999"):
        detector.apply(Command(name="dismiss", args={"defect_id": 999}))
    with pytest.raises(SettingsError, match="known: accept"):
        detector.apply(Command(name="explode"))


@pytest.mark.parametrize("method", ["lattice", "patterson", "semantic"])
@pytest.mark.parametrize("extra", ["", "&drift_px=1.5&jumps=1&jump_px=8"])
def test_state_restores_bit_by_bit(method: str, extra: str) -> None:
    """Also beyond a move of the grid and a jump, after which the time windows begin anew."""
    stream = frames(f"mowte2?size=256&frames=30&prescribed=4&births_until=26&seed=2{extra}")
    detector = Detector(Settings(method=method))
    for frame in stream[:18]:
        detector.step(frame)
    file = io.BytesIO()
    np.savez(file, **detector.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        twin = Detector.from_state(dict(saved))
    for frame in stream[18:]:
        assert comparable(detector.step(frame)) == comparable(twin.step(frame))


def comparable(result: livedetect.FrameResult) -> object:
    return result.events, result.detections, result.active_tracks, result.registration


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(SettingsError):
        Detector.from_state({"root#": "object:os:system", "root.#names": ""})
    with pytest.raises(SettingsError, match="no state of this version"):
        Detector.from_state({**Detector().state(), "layout": 1})


def test_equal_streams_give_equal_events() -> None:
    spec = f"ws2?{SMALL}&seed=3"
    first, second = watch(spec), watch(spec)
    assert [e.as_dict() for e in first.events] == [e.as_dict() for e in second.events]


@pytest.mark.parametrize(
    "spec", ["graphene?detected_e_per_px=5&seed=101", "mos2?detected_e_per_px=20&seed=102"]
)
def test_a_strong_point_defect_is_no_object_that_has_to_wait(spec: str) -> None:
    """What it flags around itself was as wide as a hole: it was told 12 frames late."""
    run = watch(f"{spec}&prescribed=20&births_until=56&size=384&frames=70")
    delays, _ = run.matched(5.5)
    assert len(delays) == 20
    assert max(delays.values()) <= 1
