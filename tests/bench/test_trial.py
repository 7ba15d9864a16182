import importlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import livedetect
from livedetect.bench.engine_run import run_engine
from livedetect.bench.trial import JUDGING, Trial, carry_out, code_digest
from livedetect.types import DefectEvent, Frame, FrameResult, Phase

SPEC = "mos2?size=192&frames=40&prescribed=6&births_until=34&seed=1&detected_e_per_px=10"


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
    assert done.dispositions == {"warm_up": 2, "scored": 4}


def test_an_engine_that_never_goes_live_has_no_speed():
    assert run_engine(Announcer(at_frame=9), frames(2)).frames_per_s is None


def test_a_simulated_stream_is_held_against_its_truth():
    record = carry_out(Trial(stream=SPEC))
    assert not record.fault
    assert (record.frames, record.judged) == (40, 28)
    assert len(record.defects) == 6
    assert sum(found.delay is not None for found in record.defects) >= 4
    assert all(found.snr2 > 0 for found in record.defects)


def test_a_failing_engine_is_told_in_the_record(monkeypatch):
    class Broken:
        def __init__(self, settings):
            pass

        def step(self, _):
            raise ZeroDivisionError("nothing left")

    monkeypatch.setattr(livedetect, "engine_for", Broken, raising=False)
    assert carry_out(Trial(stream=SPEC)).fault == "ZeroDivisionError: nothing left"


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
    record = carry_out(Trial(stream=str(case)))
    assert (record.stream, record.method, record.frames) == ("empty", "lattice", 20)
    assert record.defects == []


@pytest.mark.parametrize("name", ["judging.py", "judging/__init__.py", "judging/deep/inside.py"])
def test_a_changed_file_of_what_judges_makes_a_trial_stale(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.parent != tmp_path:
        (tmp_path / "judging" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("livedetect.bench.trial.JUDGING", ("judging", "not_installed"))
    digests = []
    for text in ("A = 1\n", "A = 2\n"):
        file.write_text(text)
        importlib.invalidate_caches()
        code_digest.cache_clear()
        digests.append(code_digest("lattice"))
    code_digest.cache_clear()
    assert digests[0] != digests[1]


def test_all_that_judges_is_there() -> None:
    for name in JUDGING:
        assert find_spec(name) is not None
