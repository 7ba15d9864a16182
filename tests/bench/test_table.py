from livedetect.bench.score import Score
from livedetect.bench.table import format_table


def made(method="lattice", frames_per_s=10.0, **changed):
    values = {
        "case": "mos2",
        "method": method,
        "frames": 100,
        "defects": 4,
        "matched": 4,
        "recall_1": 0.5,
        "recall_3": 1.0,
        "recall_6": 1.0,
        "recall_any": 1.0,
        "recall_3_strong": None,
        "recall_6_strong": None,
        "precision": 0.8,
        "f1": 0.889,
        "mean_delay_frames": 1.25,
        "median_delay_frames": 1.0,
        "delay_bound_frames": 0.5,
        "false_events": 1,
        "false_before_first_birth": 0,
        "false_per_1000_frames": 11.4,
        "satellites": 0,
        "duplicates": 0,
        "localisation_rms_px": 0.7,
        "localisation_rms_neighbours": 0.07,
        "frames_per_s": frames_per_s,
    }
    return Score(**{**values, **changed})


def test_one_row_per_score_with_its_figures():
    head, rule, row = format_table([made()]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert len(head) == len(rule) == len(row)
    cells = dict(zip(map(str.strip, head.split("|")), map(str.strip, row.split("|")), strict=True))
    assert cells["F1"] == "0.889"
    assert cells["delay (bound) / frames"] == "1.25 (0.50)"
    assert cells["per 1000 frames"] == "11.4"
    assert cells["loc. / nn"] == "0.07"


def test_columns_without_content_are_left_out():
    table = format_table([made(method="", frames_per_s=None, f1=None)])
    assert not {"method", "frames/s", "F1"} & {cell.strip() for cell in table.split("|")}


def test_methods_are_compared_with_the_first():
    scores = [made(), made("patterson", 5.0, f1=0.4), made(), made("patterson", 5.0, f1=0.2)]
    comparison = format_table(scores).split("\n\n")[1].splitlines()
    assert "speed / lattice" in comparison[0]
    row = [cell.strip() for cell in comparison[-1].split("|")]
    assert row[1:3] == ["patterson", "0.300"]
    assert row[-2] == "0.50"
