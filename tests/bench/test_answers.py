import pytest

from livedetect.bench.answers import by_class, by_kind, by_row
from livedetect.bench.beginnings import by_early_birth, by_start
from livedetect.bench.false_alarms import by_lasting, by_null, poisson_interval
from livedetect.bench.naming import by_called, by_place, by_stated
from livedetect.bench.record import record_from

from .records import answered, found, record, rows


def test_a_record_survives_its_line_of_json():
    entry = record([found(), found(delay=None)], false=[30])
    assert record_from(entry.as_dict()) == entry


def test_a_row_pools_its_streams():
    early, late, missed = found(delay=0), found(delay=2), found(delay=None)
    [row] = rows(by_row([answered(record([early, late]), record([missed], false=[30]))]))
    assert (row["defects"], row["streams"], row["false"]) == ("3", "2", "1")
    assert [row[head] for head in ("recall ≤ 1", "≤ 2", "≤ 6")] == ["0.333", "0.667", "0.667"]
    assert row["F1"] == "0.667", "precision and recall are both 2/3"
    assert row["per 1000 frames"] == "10.4"
    assert row["delay (bound) / frames"] == "1.00 (0.00)"
    assert row["loc. / nn"] == "0.100"


def test_what_was_born_too_late_to_be_found_is_not_demanded():
    late = found(delay=None, birth_frame=58, frames_in_view=2)
    [row] = rows(by_row([answered(record([found(), late]))]))
    assert (row["recall ≤ 1"], row["≤ 6"]) == ("0.500", "1.000")


def test_failed_streams_do_not_count():
    [row] = rows(by_row([answered(record([found()]), record([], fault="ValueError: no"))]))
    assert row["streams"] == "1"


def test_every_kind_has_its_row():
    table = rows(by_kind([answered(record([found("adatom"), found("displaced", delay=None)]))]))
    assert [(row["kind"], row["ever"]) for row in table] == [
        ("adatom", "1/1"),
        ("displaced", "0/1"),
    ]


@pytest.mark.parametrize(
    ("snr2", "delay", "line", "holds"),
    [
        (70, 1, "≥ 60", "yes"),
        (70, 2, "≥ 60", "NO"),
        (30, 2, "25 to 60", "yes"),
        (30, 3, "25 to 60", "NO"),
        # 45/10 frames are allowed, rounded up, the frame of birth among them
        (10, 4, "8 to 25", "yes"),
        (10, 5, "8 to 25", "NO"),
        (2, None, "< 8", ""),
    ],
)
def test_what_is_asked_of_a_defect_follows_from_its_information(snr2, delay, line, holds):
    table = rows(by_class([answered(record([found(snr2=snr2, delay=delay)]))]))
    [row] = [row for row in table if row["d'² per frame"] == line]
    assert (row["defects"], row.get("holds", "")) == ("1", holds)


def null(false, budget="1", judged=1000):
    return answered(record(false=false, judged=judged), case="x", budget=budget, allowed="3")


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        (null([5] * 15, judged=10_000), "yes"),
        (null([5] * 25, judged=10_000), "open"),
        (null([5] * 45, judged=10_000), "NO"),
        (null([5] * 5, budget="10", judged=10_000), "NO, deaf"),
        (null([5] * 18, budget="10", judged=10_000), "open"),
        (null([5] * 80, budget="10", judged=10_000), "yes"),
    ],
)
def test_false_markers_are_held_against_the_budget(entry, holds):
    [row] = rows(by_null([entry]))
    assert row["holds"] == holds


def test_crystals_of_a_null_case_are_added_up():
    first, second = null([5]), null([6, 50])
    second = answered(*second.records, **{**second.label, "crystal": "ws2"})
    *_, both = rows(by_null([first, second]))
    assert (both["crystal"], both["false"], both["per 1000 frames"]) == ("all", "3", "1.50")
    assert both["in the second half"] == "1"


def test_the_interval_of_a_count_holds_its_expectation():
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.795, 18.39), abs=1e-2)


def test_the_share_of_lasting_marks_is_given():
    marked = [found(kept=True)] * 3 + [found(kept=False), found(kept=None), found(delay=None)]
    [row] = rows(by_lasting([answered(record(marked))]))
    assert (row["found"], row["looked at again"], row["still marked"]) == ("5", "4", "0.750")
    assert row["holds"] == "NO"


def test_kinds_are_counted_as_they_are_called():
    defects = [found("metal_vacancy"), found("column_vacancy", called="dark"), found("adatom")]
    adatom, vacancy = rows(by_called([answered(record(defects))]))
    assert (vacancy["vacancy"], vacancy["dark"], vacancy["right"]) == ("1", "1", "0.50")
    assert (adatom["vacancy"], adatom["right"]) == ("1", "0.00")


def test_places_are_told_with_and_without_displaced_columns():
    defects = [found(distance_px=1.0), found("displaced", distance_px=3.0)]
    [row] = rows(by_place([answered(record(defects))]))
    assert (row["not displaced / nn"], row["displaced / nn"]) == ("0.100", "0.300")
    assert (row["rms / nn"], row["holds"]) == ("0.224", "NO")


def test_defects_of_the_first_frame_are_counted():
    entry = record([found()], at_start=4, at_start_found=3, at_start_false=1, at_start_as_new=1)
    [row] = rows(by_start([answered(entry)]))
    assert [row[head] for head in ("at start", "told", "told, none there")] == ["4", "0.750", "1"]


def test_births_during_the_warm_up_are_asked_for_where_they_are_strong():
    defects = [found(during_warm_up=True), found(delay=None), found(snr2=5.0, delay=None)]
    [row] = rows(by_early_birth([answered(record(defects))]))
    assert (row["of d'² ≥ 25"], row["found"], row["holds"]) == ("2", "0.500", "NO")
    assert row["said during_warm_up"] == "1.00"


def test_the_stated_sensitivity_stands_beside_what_was_needed():
    defects = [found("adatom", snr2=10.0, delay=delay) for delay in (2, 3, 4)]
    entry = record(defects, details={"sensitivity": {"adatom": 5}})
    [row] = rows(by_stated([answered(entry)]))
    assert (row["stated"], row["median delay + 1"], row["30/d'²"]) == ("5.0", "4.0", "3.0")
