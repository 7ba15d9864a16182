"""A model learnt anew when all cells have changed alike, and never when some have."""

import dataclasses
import io
import threading
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from livedetect import Detector, Frame, Gap, Phase, Settings
from livedetect.detect.drift_alarm import DriftAlarm
from livedetect.detect.kernels import why_plain
from livedetect.detect.relearning import Snapshot, refit
from livedetect.errors import LatticeNotFoundError
from livedetect.types import Command, DefectEvent, Rejection
from tests.detect.streams import frames, watch

SETTINGS = Settings(warm_up_frames=8)
DIMMED = 22
"""From this frame on the signal is half of what it was: the crystal is learnt anew."""
SPEC = "graphene?size=192&frames=64&detected_e_per_px=12&prescribed=6&births_until=20"
SPEC += "&damage_from=9&background=0&seed=3"
LONGER = SPEC.replace("births_until=20", "births_until=56").replace("frames=64", "frames=72")


@cache
def brightened() -> list[Frame]:
    """A crystal whose contrast doubles, as after the beam current or the gain has."""
    return [
        frame if frame.index < DIMMED else dataclasses.replace(frame, data=2 * frame.data)
        for frame in frames(SPEC)
    ]


@cache
def alone() -> list:
    """The results of a detector to which nobody hands anything."""
    return run(Detector(SETTINGS), brightened())


def run(detector: Detector, items: list, before=lambda _: None) -> list:
    results = []
    for item in items:
        before(item)
        results.append(detector.step(item))
    return results


def named(results: list, name: str) -> list:
    return [event for result in results for event in result.events if event.event == name]


def told(results: list) -> list:
    return [(r.events, r.detections, r.active_tracks, r.registration, r.threshold) for r in results]


def test_what_was_known_stays_known_and_marked() -> None:
    results = alone()
    (refitted,) = named(results, "model_refitted")
    assert refitted.frame > DIMMED + SETTINGS.warm_up_frames
    assert refitted.values["frames_used"] == 8
    assert refitted.values["first_frame"] >= DIMMED
    assert refitted.values["unlike_share"] < 0.02
    assert np.isfinite(refitted.values["threshold"])
    before, after = results[refitted.frame - 1], results[-1]
    known = {track.defect_id: track for track in before.active_tracks}
    assert len(known) >= 5
    assert set(known) <= {track.defect_id for track in after.active_tracks}
    for track in results[refitted.frame].active_tracks:  # the frame's drift, and no jump
        if track.defect_id in known:
            earlier = known[track.defect_id]
            assert np.hypot(track.x_px - earlier.x_px, track.y_px - earlier.y_px) < 3
            assert np.hypot(track.x_nm - earlier.x_nm, track.y_nm - earlier.y_nm) < 0.03
    drift = [
        (r.registration.drift_x_px, r.registration.drift_y_px) for r in results if r.registration
    ]
    assert np.abs(np.diff(drift, axis=0)).max() < 3
    assert named(results, "defect_confirmed")[-1].frame < refitted.frame + 2
    assert results[-1].phase is Phase.LIVE


def test_a_defect_that_was_known_is_no_part_of_the_new_crystal() -> None:
    results = alone()
    (refitted,) = named(results, "model_refitted")
    seen = [track.last_seen_frame for track in results[-1].active_tracks if not track.at_start]
    assert np.mean(np.array(seen) > refitted.frame + 8) >= 0.85


@pytest.mark.parametrize("kind", ["scan goes on", "scan is interrupted"])
def test_it_does_not_matter_who_learns_and_when(kind: str) -> None:
    stream: list = list(brightened())
    if kind == "scan is interrupted":
        first, last = stream[34], stream[39]
        hole = Gap(first_missing=34, missing_frames=5, reason="lost", time_s=first.time_s)
        stream[34:40] = [hole, Rejection(index=39, reason="skipped", time_s=last.time_s)]
    results = run(Detector(SETTINGS), stream)
    by_itself, (refitted,) = told(results), named(results, "model_refitted")
    assert refitted.frame == (40 if kind == "scan is interrupted" else 36)
    detector = Detector(SETTINGS)
    given = []

    def deliver(_: object) -> None:
        request = detector.refit_request()
        if request is not None and request.number not in given:
            given.append(request.number)
            detector.install(request.number, request.learn())

    assert told(run(detector, stream, deliver)) == by_itself
    assert given == [1]


def test_state_restores_bit_by_bit_with_a_refit_pending() -> None:
    detector = Detector(SETTINGS)
    stream = iter(brightened())
    while detector.refit_request() is None:
        detector.step(next(stream))
    request = detector.refit_request()
    detector.install(request.number, request.learn())
    file = io.BytesIO()
    np.savez(file, **detector.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        twin = Detector.from_state(dict(saved))
    assert twin.refit_request().install_at == request.install_at
    rest = list(stream)
    results = run(detector, rest)
    assert named(results, "model_refitted")
    assert told(results) == told(run(twin, rest))


@pytest.mark.parametrize("name", ["rebaseline", "roi"])
def test_a_command_makes_a_pending_refit_void(name: str) -> None:
    detector = Detector(SETTINGS)
    for frame in brightened():
        detector.step(frame)
        if detector.refit_request():
            break
    args = {"rectangle": [10, 10, 180, 180]} if name == "roi" else {}
    number = detector.refit_request().number
    detector.apply(Command(name=name, args=args))
    assert detector.refit_request() is None
    detector.install(number, RuntimeError("nobody asks"))
    assert not named([detector.step(brightened()[40])], "model_drifted")


def test_a_refit_that_fails_is_said_and_the_run_goes_on() -> None:
    detector = Detector(SETTINGS)

    def spoil(_: object) -> None:
        request = detector.refit_request()
        if request is not None:
            detector.install(request.number, MemoryError("no room"))

    results = run(detector, brightened(), spoil)
    said = [event.values["reason"] for event in named(results, "model_drifted")]
    assert len([reason for reason in said if "no room" in reason]) == 1
    assert not named(results, "model_refitted")
    assert results[-1].disposition == "scored"
    assert results[-1].phase is Phase.LIVE


def faded() -> list[Frame]:
    """A crystal with half of its contrast for a while, in which columns go all the time."""
    return [
        dataclasses.replace(frame, data=frame.data // 2) if DIMMED <= frame.index < 60 else frame
        for frame in frames(LONGER)
    ]


def test_nothing_is_confirmed_while_the_latest_frames_show_no_lattice() -> None:
    """Noise would be judged by the shape that the columns had when they could be seen."""
    detector, phases = Detector(SETTINGS), []

    def hide(_: object) -> None:
        phases.append(detector.phase)
        if request := detector.refit_request():
            detector.install(request.number, LatticeNotFoundError("no lattice"))

    results = run(detector, faded(), hide)
    reasons = {e.frame: e.values["reason"] for e in named(results, "model_drifted")}
    (hidden,) = [frame for frame, reason in reasons.items() if "no lattice" in reason]
    (seen,) = [frame for frame, reason in reasons.items() if "can be seen again" in reason]
    assert "nothing is confirmed meanwhile" in reasons[hidden]
    assert DIMMED < hidden < 50
    assert 60 <= seen < 66
    assert set(phases[hidden + 1 : seen]) == {Phase.DRIFTED}
    meanwhile = [e for r in results[hidden:seen] for e in r.events if e.event != "model_drifted"]
    assert not meanwhile
    assert detector.phase is Phase.LIVE


def test_regions_are_not_believed_and_nothing_heals_out_of_sight() -> None:
    alarm = DriftAlarm()
    for contrast in 5 * [0.6]:
        alarm.follow_contrast(contrast)
    assert not alarm.distrusts_regions
    alarm.hide()
    assert alarm.distrusts_regions
    brighter = DriftAlarm()
    for contrast in 5 * [1.7]:
        brighter.follow_contrast(contrast)
    brighter.hide()
    assert brighter.fits


def test_a_contrast_that_wavers_does_not_bring_the_crystal_back() -> None:
    alarm = DriftAlarm()
    for contrast in 5 * [0.6]:
        alarm.follow_contrast(contrast)
    alarm.hide()
    for contrast in 10 * [0.7]:
        alarm.follow_contrast(contrast)
        alarm.step(0.0)
    assert alarm.suspends
    assert not alarm.fits
    for contrast in 5 * [0.9]:
        alarm.follow_contrast(contrast)
    alarm.step(0.0)
    assert not alarm.suspends
    assert alarm.fits


def test_it_can_be_left_to_the_operator() -> None:
    settings = SETTINGS.with_values({"rebaseline": "on_command"})
    results = run(Detector(settings), brightened())
    assert len(named(results, "model_drifted")) == 1
    assert not named(results, "model_refitted")


def test_nothing_is_learnt_anew_where_nothing_changes() -> None:
    stream = watch("mos2?size=192&frames=70&damage=0&background=0.3&seed=4")
    assert not [e for e in stream.events if e.event in ("model_drifted", "model_refitted")]


def test_another_focus_is_learnt_and_new_defects_are_found_in_it() -> None:
    stream = watch("mos2?size=256&frames=96&focus=30:1.35&damage_from=20&seed=3")
    (refitted,) = [e for e in stream.events if e.event == "model_refitted"]
    later = [e for e in stream.named("defect_confirmed") if e.frame > refitted.frame]
    _, false = stream.matched(6)
    assert later
    assert len(false) <= 1
    last = stream.results[-1]
    truth = [d for d in stream.truth[last.frame].values() if d.in_view]
    marked = [near(last.active_tracks, defect) for defect in truth]
    assert np.mean(marked) >= 0.85


def near(tracks: tuple, defect: DefectEvent) -> bool:
    return any(np.hypot(t.x_px - defect.x_px, t.y_px - defect.y_px) < 8 for t in tracks)


def test_widespread_damage_is_never_learnt_by_itself() -> None:
    spec = "mos2?size=256&frames=80&damage=25&max_defects=600&isolated=0&damage_from=20&seed=3"
    stream = watch(spec)
    assert not [e for e in stream.events if e.event == "model_refitted"]
    regions = [e for e in stream.events if e.event == "region_confirmed"]
    drifted = [e for e in stream.events if e.event == "model_drifted"]
    (said,) = [e for e in drifted if "most of the view has changed" in e.values["reason"]]
    assert regions[0].frame < said.frame < 50


def test_frames_without_a_lattice_give_no_model() -> None:
    noise = np.random.default_rng(0).poisson(5, (8, 128, 128)).astype(np.uint16)
    blank = tuple(Frame.from_array(entry, index=n) for n, entry in enumerate(noise))
    with pytest.raises(LatticeNotFoundError):
        refit(Snapshot(frames=blank, settings=SETTINGS))


@pytest.mark.parametrize("kernels", ["auto", "plain"])
def test_a_thread_that_learns_uses_the_kernels_of_the_settings(monkeypatch, kernels) -> None:
    reasons = []

    def learn(_frames, _settings):
        reasons.append(why_plain())
        return SimpleNamespace(fallback="")

    monkeypatch.setattr("livedetect.detect.relearning.learn", learn)
    snapshot = Snapshot(frames=(), settings=Settings(kernels=kernels))
    thread = threading.Thread(target=refit, args=(snapshot,))
    thread.start()
    thread.join()
    assert bool(reasons[0]) == (kernels == "plain")
