import pytest

from livedetect.bench.catalogue import QUESTIONS
from livedetect.bench.questions import Plan
from livedetect.bench.trial import MATCHED
from livedetect.settings import Settings
from livedetect_simulators.spec import parse_spec

PLAN = Plan(seeds=(101, 102), size=256, null_frames=300)


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "real"])
def test_every_stream_of_every_question_can_be_made(name):
    rows = QUESTIONS[name].rows(PLAN)
    assert rows
    for row in rows:
        assert row.trials
        for trial in row.trials:
            parse_spec(trial.stream)
            Settings().with_values(dict(trial.settings))


@pytest.mark.parametrize("name", QUESTIONS)
def test_rows_of_a_question_have_the_same_heads_and_differ(name):
    labels = [row.label for row in QUESTIONS[name].rows(PLAN)]
    assert len({tuple(label) for label in labels}) <= 1
    assert len({tuple(label.values()) for label in labels}) == len(labels)


def test_crystals_signals_and_methods_of_the_plan_are_kept_to():
    plan = Plan(crystals=("ws2",), signals=(3.0,), methods=("lattice", MATCHED))
    rows = QUESTIONS["drift"].rows(plan)
    assert {row.label["crystal"] for row in rows} == {"ws2"}
    assert {row.label["e/px"] for row in rows} == {"3"}
    assert {row.label["method"] for row in rows} == {"lattice", MATCHED}


def test_null_streams_hold_as_many_frames_as_asked_for():
    [row, *_] = QUESTIONS["null"].rows(PLAN)
    frames = [parse_spec(trial.stream).frames for trial in row.trials]
    assert sum(frames) == 2 * PLAN.null_frames
    assert len({trial.key for trial in row.trials}) == len(frames)


def test_sampling_keeps_the_electrons_of_a_unit_cell():
    for row in QUESTIONS["sampling"].rows(PLAN):
        settings = parse_spec(row.trials[0].stream)
        assert settings.detected_e_per_px * settings.a_px**2 == pytest.approx(512, rel=0.01)
