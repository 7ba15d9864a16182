from dataclasses import replace

import pytest

from livedetect.bench.catalogue import QUESTIONS
from livedetect.bench.quality import Request, ask, seeds_in_words
from livedetect.bench.questions import CRYSTALS, Plan
from livedetect.errors import SourceError

SMALL = Plan(crystals=("mos2",), signals=(10.0,), seeds=(7,), size=192, frames=40)


def test_the_plan_is_every_stream_with_every_method(tmp_path):
    for name in ("b", "a", "no_frames"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "truth.csv").touch()
    for name in ("a", "b"):
        (tmp_path / name / "frames.npy").touch()
    rows = QUESTIONS["real"].rows(Plan(data=tmp_path, methods=("lattice", "semantic")))
    assert [row.label["case"] for row in rows] == ["a", "a", "b", "b"]
    assert [row.trials[0].method for row in rows] == ["lattice", "semantic"] * 2


def test_a_folder_without_cases_is_named(tmp_path):
    with pytest.raises(SourceError, match="holds no case folder"):
        ask(Request(questions=("real",), plan=Plan(data=tmp_path)))


def test_the_quick_plan_is_small():
    rows = QUESTIONS["material"].rows(Plan(seeds=(100, 101, 102)).quick())
    assert sum(len(row.trials) for row in rows) == len(CRYSTALS)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ((0, 1, 2), "TUNING seeds 0-2"),
        ((101, 102, 105), "Reporting seeds 101-102, 105"),
        ((99, 100), "TUNING seeds 99, Reporting seeds 100"),
    ],
)
def test_a_table_says_whether_its_seeds_were_used_for_tuning(seeds, words):
    assert seeds_in_words(seeds) == words


def test_what_is_kept_in_the_file_is_not_run_again(tmp_path):
    told = []
    request = Request(
        questions=("material", "class"),
        plan=SMALL,
        records=tmp_path / "records.jsonl",
        workers=1,
        command="livedetect bench quality",
    )
    first = ask(request, lambda *facts: told.append(facts[:2]))
    again = ask(request, lambda *facts: told.append(facts[:2]))
    assert told == [(1, 1)], "two questions share their stream, and the second time it is kept"
    assert [r.table for r in first] == [r.table for r in again]
    markdown = first[0].as_markdown()
    for part in ("TUNING seeds 7", "`livedetect bench quality`", "| mos2 "):
        assert part in markdown


def test_a_file_cut_short_is_continued(tmp_path):
    path = tmp_path / "records.jsonl"
    request = Request(questions=("material",), plan=SMALL, records=path, workers=1)
    ask(request)
    path.write_text(path.read_text(encoding="utf-8") + '{"key": "half', encoding="utf-8")
    ask(replace(request, questions=("class",), plan=replace(SMALL, seeds=(8,))))
    [report] = ask(replace(request, run=False, plan=replace(SMALL, seeds=(7, 8))))
    assert len(report.rows[0].records) == 2


def test_trials_are_run_in_parallel_and_told_in_the_order_of_the_plan():
    plan = replace(SMALL, crystals=("mos2", "square"))
    [report] = ask(Request(questions=("material",), plan=plan, workers=2))
    assert [row.label["crystal"] for row in report.rows] == ["mos2", "square"]
    for row in report.rows:
        [record] = row.records
        assert not record.fault
        assert any(found.delay is not None for found in record.defects)
