import json

import pytest
from typer.testing import CliRunner

from livedetect.cli import app
from livedetect.commands.bench import QualityOptions, numbers, seed_list
from livedetect.errors import SettingsError

SMALL = ["--crystals", "mos2", "--signal", "10", "--size", "192", "--frames", "40"]


def run(*arguments):
    return CliRunner().invoke(app, ["bench", "quality", *arguments])


def test_seeds_are_numbers_and_ranges():
    assert seed_list(["101,105-107", "3"]) == (101, 105, 106, 107, 3)
    assert numbers("--signal", ["2,5.5"]) == (2.0, 5.5)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: seed_list(["7-"]), "7-"),
        (lambda: seed_list(["some"]), "some"),
        (lambda: numbers("--signal", ["bright"]), "--signal"),
        (lambda: QualityOptions(question=["colour"]).asked(), "fast_scan"),
        (lambda: QualityOptions(methods=["guess"]).plan(), "matched filter"),
    ],
)
def test_what_is_not_understood_is_named(wrong, named):
    with pytest.raises(SettingsError, match=named):
        wrong()


def test_a_quick_plan_asks_for_the_budget_too():
    options = QualityOptions(quick=True)
    assert "null" in options.asked()
    assert options.plan().size == 256


def test_everything_can_be_asked_for_at_once():
    assert {"areas", "null", "class"} <= set(QualityOptions(question=["all"]).asked())


def test_tables_and_records_are_printed(tmp_path):
    kept = str(tmp_path / "records.jsonl")
    arguments = [*SMALL, "--seeds", "7", "--records", kept, "--workers", "1"]
    shown = run(*arguments, "--question", "material")
    assert shown.exit_code == 0, shown.output
    for part in ("TUNING seeds 7", "| mos2 ", "1/1: mos2?"):
        assert part in shown.output
    again = run(*arguments, "--question", "class", "--only-tables", "--json")
    [report] = json.loads(again.stdout)
    assert report["question"] == "class"
    assert report["rows"][0]["records"][0]["frames"] == 40
