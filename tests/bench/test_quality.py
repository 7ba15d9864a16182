import json
from dataclasses import replace

import numpy as np
import pytest

from livedetect.bench.quality import (
    CRYSTALS,
    QualityPlan,
    QualityRun,
    iter_quality,
    measure,
    planned_runs,
    run_engine,
)
from livedetect.errors import SourceError
from livedetect.settings import Settings
from livedetect.types import DefectEvent, Frame, FrameResult, Phase


class Announcer:
    """An engine that announces one defect in a given frame; the first two are its warm-up."""

    def __init__(self, at_frame):
        self.at_frame = at_frame

    def step(self, item):
        found = DefectEvent(
            event="defect_confirmed",
            frame=item.index,
            time_s=0.0,
            defect_id=0,
            first_seen_frame=item.index,
            x_px=3.0,
            y_px=4.0,
        )
        return FrameResult(
            frame=item.index,
            time_s=0.0,
            phase=Phase.LIVE,
            disposition="warm_up" if item.index < 2 else "scored",
            events=(found,) if item.index == self.at_frame else (),
        )


def frames(count):
    return [Frame.from_array(np.zeros((4, 4)), index=index) for index in range(count)]


def test_events_and_speed_of_an_engine_are_taken_down():
    done = run_engine(Announcer(at_frame=3), frames(6))
    [line] = done.events
    assert (line["event"], line["frame"], line["x_px"]) == ("defect_confirmed", 3, 3.0)
    assert done.frames_per_s > 0


def test_an_engine_that_never_goes_live_has_no_speed():
    assert run_engine(Announcer(at_frame=9), frames(2)).frames_per_s is None


def test_the_plan_is_every_stream_with_every_method(tmp_path):
    for name in ("b", "a", "no_frames"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "truth.csv").touch()
    for name in ("a", "b"):
        (tmp_path / name / "frames.npy").touch()
    plan = QualityPlan(data=tmp_path, crystals=("ws2",), seeds=(3, 4), methods=("semantic",))
    streams = [run.stream for run in planned_runs(plan)]
    assert streams[:2] == [tmp_path / "a", tmp_path / "b"]
    assert streams[2].startswith("ws2?seed=3&damage=1&size=512&frames=120")
    assert len(streams) == 2 + 2 * 2
    assert {run.settings.method for run in planned_runs(plan)} == {"semantic"}


def test_a_folder_without_cases_is_named(tmp_path):
    with pytest.raises(SourceError, match="holds no case folder"):
        list(iter_quality(QualityPlan(data=tmp_path)))


def test_the_quick_plan_is_small():
    runs = planned_runs(QualityPlan(seeds=(0, 1, 2)).quick())
    assert len(runs) == len(CRYSTALS)


def test_a_stored_stream_is_scored(tmp_path):
    case = tmp_path / "empty"
    case.mkdir()
    noise = np.random.default_rng(0).poisson(50, (20, 64, 64)).astype(np.uint16)
    np.save(case / "frames.npy", noise)
    (case / "truth.csv").write_text("frame,defect_id\n", encoding="utf-8")
    meta = {
        "case": "x",
        "frames": 20,
        "match_radius_px": 3.0,
        "nn_px": 5.0,
        "first_birth_frame": None,
        "pixel_size_nm": 0.02,
    }
    (case / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    result = measure(QualityRun(stream=case, settings=Settings()))
    assert (result.case, result.method, result.frames) == ("empty", "lattice", 20)
    assert result.f1 is None


def test_simulated_streams_are_run_in_parallel_and_scored_in_order():
    plan = QualityPlan(
        crystals=("mos2", "square"), damage=(1.0,), methods=("lattice",), size=256, frames=30
    )
    scores = list(iter_quality(replace(plan, workers=2)))
    assert [score.case for score in scores] == ["mos2, seed 0, 5 e/px", "square, seed 0, 5 e/px"]
    for score in scores:
        assert score.frames == 30
        assert score.defects > 0
        assert score.matched > 0, "the default damage is found"
        assert score.frames_per_s > 0
