import csv
import dataclasses
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

from livedetect.bench.score import KindCount, read_events, score
from livedetect.errors import SourceError
from livedetect.types import TrueDefect

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("LIVEDETECT_DATA", ROOT.parent / "shared" / "data"))
CASES = sorted(path.parent for path in DATA.glob("*/truth.csv"))
COLUMNS = [field.name for field in dataclasses.fields(TrueDefect)]
SAME = {
    "n_defects": "defects",
    "matched": "matched",
    "recall_1": "recall_1",
    "recall_3": "recall_3",
    "recall_6": "recall_6",
    "recall_any": "recall_any",
    "recall_3_strong": "recall_3_strong",
    "recall_6_strong": "recall_6_strong",
    "precision": "precision",
    "f1": "f1",
    "mean_delay": "mean_delay_frames",
    "median_delay": "median_delay_frames",
    "false_events": "false_events",
    "satellites": "satellites",
    "false_before_first_birth": "false_before_first_birth",
    "duplicates": "duplicates",
    "false_per_1000_frames": "false_per_1000_frames",
    "localisation_rms_px": "localisation_rms_px",
}


@pytest.fixture
def case(tmp_path):
    """Two point defects, born in frames 2 and 4 of 12; columns are 10 px apart."""
    rows = [(t, 0, 50.0, 50.0, "vacancy", 2, 0, 60, 4, 1) for t in range(2, 12)]
    rows += [(t, 1, 90.0, 20.0, "adatom", 4, 0, 10, 4, 1) for t in range(4, 12)]
    return written(tmp_path, rows)


def written(folder, rows, first_birth_frame=2):
    meta = {
        "case": "made",
        "frames": 12,
        "match_radius_px": 6.0,
        "nn_px": 10.0,
        "first_birth_frame": first_birth_frame,
        "pixel_size_nm": 0.02,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


def event(frame, x_px, y_px):
    return {"event": "defect_confirmed", "frame": frame, "x_px": x_px, "y_px": y_px}


def test_two_hits_are_a_perfect_run(case):
    result = score(case, [event(2, 53, 54), event(6, 90, 20)])
    assert (result.f1, result.precision, result.matched) == (1.0, 1.0, 2)
    assert (result.recall_1, result.recall_3) == (0.5, 1.0)
    assert (result.mean_delay_frames, result.median_delay_frames) == (1.0, 1.0)
    assert result.localisation_rms_px == pytest.approx(np.sqrt(25 / 2))
    assert result.localisation_rms_neighbours == pytest.approx(np.sqrt(25 / 2) / 10)
    once = KindCount(found=1, total=1)
    assert result.by_kind == {"adatom": once, "vacancy": once}


def test_the_delay_bound_is_what_the_signal_allows(case):
    # 30/60 of a frame and 30/10 frames are needed: no delay, and two frames after birth
    assert score(case, [event(2, 50, 50), event(6, 90, 20)]).delay_bound_frames == 1.0


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ((5, 50, 50), "duplicates"),
        ((5, 50, 65), "satellites"),
        ((5, 50, 67), "false_events"),
        ((1, 50, 50), "false_events"),
    ],
)
def test_where_a_further_event_is_counted(case, place, field):
    before = score(case, [event(2, 50, 50)])
    after = score(case, [event(2, 50, 50), event(*place)])
    assert getattr(after, field) == getattr(before, field) + 1


def test_only_confirmed_defects_count(case):
    lines = [{"event": "defect_at_start", "frame": 3, "x_px": 0, "y_px": 0}, {"event": "gap"}]
    assert score(case, lines).false_events == 0


def test_false_events_are_given_per_thousand_frames_after_the_warm_up(case):
    result = score(case, [event(8, 5, 5)], fit_frames=2)
    assert result.false_per_1000_frames == 100.0
    assert (result.precision, result.f1) == (0.0, 0.0)


def test_a_stream_without_births_has_no_recall(tmp_path):
    result = score(written(tmp_path, [], first_birth_frame=None), [event(3, 1, 1)])
    assert (result.recall_6, result.f1, result.recall_any) == (None, None, None)
    assert (result.false_events, result.false_before_first_birth) == (1, 1)


def test_a_defect_at_the_edge_can_be_found_but_is_not_demanded(tmp_path):
    rows = [(t, 0, 3.0, 50.0, "vacancy", 2, 0, 60, 4, 0) for t in range(2, 12)]
    folder = written(tmp_path, rows)
    assert score(folder, []).recall_6 is None
    assert score(folder, [event(3, 3, 50)]).matched == 1


@pytest.mark.parametrize("missing", ["truth.csv", "meta.json"])
def test_a_folder_that_is_no_case_is_named(case, missing):
    (case / missing).unlink()
    with pytest.raises(SourceError, match=r"needs truth\.csv and meta\.json"):
        score(case, [])


def test_events_are_read_from_json_lines(case):
    path = case / "events.jsonl"
    path.write_text('{"event": "gap"}\n\n{"event": "run_ended"}\n', encoding="utf-8")
    assert [line["event"] for line in read_events(path)] == ["gap", "run_ended"]


# the reference leaves closing its file to the garbage collector
compared = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def reference():
    path = DATA.parent / "score.py"
    if not path.exists():
        pytest.skip("the reference implementation is not beside the data (LIVEDETECT_DATA)")
    spec = importlib.util.spec_from_file_location("reference_score", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def random_events(chance, frames, places_px):
    return [event(int(chance.integers(*frames)), *chance.uniform(*places_px, 2)) for _ in range(12)]


def plausible_events(case, seed):
    """Events as an imperfect detector would send them: late, shifted, doubled, wrong."""
    chance = np.random.default_rng(seed)
    with (case / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    events = random_events(chance, (12, 70), (0, 352))
    for row in rows:
        age = int(row["frame"]) - int(row["birth_frame"])
        if chance.random() < (0.5 if age < 3 else 0.05):
            x_px, y_px = (float(row[key]) + chance.normal(0, 2) for key in ("x_px", "y_px"))
            events.append(event(int(row["frame"]), x_px, y_px))
    return events


def assert_agreement(case, events, fit_frames):
    theirs, ours = reference()(case, events, fit_frames), score(case, events, fit_frames)
    for key, field in SAME.items():
        assert getattr(ours, field) == pytest.approx(theirs[key], abs=5.1e-3), key
    counts = {kind: f"{count.found}/{count.total}" for kind, count in ours.by_kind.items()}
    assert counts == theirs["by_kind"]


@compared
@pytest.mark.skipif(not CASES, reason="no case folders (LIVEDETECT_DATA)")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_agreement_with_the_reference_on_stored_streams(case, seed):
    assert_agreement(case, plausible_events(case, seed), fit_frames=12)
    assert_agreement(case, [], fit_frames=0)


@compared
def test_agreement_with_the_reference_on_extended_and_fading_defects(tmp_path):
    rows = [(t, 0, 50.0, 50.0, "hole", 2, t - 1, "", 9, 1) for t in range(2, 12)]
    rows += [(t, 1, 90.0, 20.0, "adatom", 4, 0, 10, 4, int(t < 7)) for t in range(4, 12)]
    rows += [(t, 2, 94.0, 20.0, "adatom", 5, 0, 40, 4, int(t > 6)) for t in range(5, 9)]
    folder = written(tmp_path, rows)
    for seed in range(40):
        events = random_events(np.random.default_rng(seed), (0, 12), (10, 110))
        assert_agreement(folder, events, fit_frames=1)


@compared
def test_agreement_with_the_reference_on_a_growing_domain(tmp_path):
    rows = [(t, 0, 60.0, 40.0, "domain", 3, 4 * t, "", 0, 1) for t in range(3, 12)]
    folder = written(tmp_path, rows, first_birth_frame=3)
    region = np.zeros((12, 24, 32), np.uint8)
    for t in range(3, 12):
        region[t, 10 : 10 + t // 2, 12 : 12 + t] = 1
    np.save(folder / "region.npy", region)
    for seed in range(40):
        events = random_events(np.random.default_rng(seed), (0, 12), (0, 95))
        assert_agreement(folder, events, fit_frames=1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"\xff\xfe", "no text"),
        (b'{"event": "gap"}\n{"eve', "line 2 is no event"),
        (b"\n7\n", "line 2 is no event"),
    ],
)
def test_what_holds_no_events_says_why(tmp_path, content, words):
    path = tmp_path / "e.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        read_events(path)


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (None, "meta.json is missing"),
        ("{", "understood"),
        ("{}", "'first_birth_frame' is not said"),
    ],
)
def test_what_is_no_case_says_why(tmp_path, meta, words):
    if meta is not None:
        (tmp_path / "meta.json").write_text(meta, encoding="utf-8")
        (tmp_path / "truth.csv").touch()
    with pytest.raises(SourceError, match=f"(?s){words}.*livedetect simulate"):
        score(tmp_path, [])
