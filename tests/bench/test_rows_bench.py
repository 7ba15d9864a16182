from livedetect.bench.rows import WAYS, Scan, delays, table


def test_the_table_has_a_line_for_each_way():
    lines = table(Scan(), {"whole frames": [1.0, 2.0, 3.0], "rows": []}).splitlines()
    assert lines[0] == "1024 px, 2 s per frame, 16 blocks of rows"
    assert lines[2].split() == ["whole", "frames", "3", "2.00", "2.80", "3.00"]
    assert lines[3].split() == ["rows", "0", "nan", "nan", "nan"]


def test_both_ways_are_measured_on_the_same_defects():
    measured = delays(Scan(edge_px=256, frame_s=0.4, blocks=4, frames=26, births=6))
    assert tuple(measured) == WAYS
    assert len(measured["rows"]) == len(measured["whole frames"])
    assert all(seconds > 0 for way in WAYS for seconds in measured[way])
