import json
import math
import subprocess
import sys

import pytest

from livedetect.errors import SettingsError
from livedetect.stream.sinks.jsonl import JsonLinesSink
from livedetect.types import FrameResult, NoticeEvent, Phase


def event(number, **values):
    return NoticeEvent(event="gap", frame=number, time_s=0.1, values=values)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_event_is_a_line_and_on_disk_at_once(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(str(path))
    result = FrameResult(
        frame=3,
        time_s=0.3,
        phase=Phase.LIVE,
        disposition="none",
        events=(event(1), event(2, reason="µ-metal shield")),
    )
    sink.on_result(result)
    assert [line["frame"] for line in lines(path)] == [1, 2]
    assert lines(path)[1]["reason"] == "µ-metal shield"
    sink.on_event(event(3))
    assert len(lines(path)) == 3
    sink.close()


def test_numbers_are_finite_or_null(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(str(path))
    sink.on_event(event(0, a=math.nan, b=[math.inf, 1.0], c={"d": -math.inf}))
    sink.close()
    (line,) = lines(path)
    assert (line["a"], line["b"], line["c"]) == (None, [None, 1.0], {"d": None})


def test_an_earlier_file_is_replaced(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("old\n", encoding="utf-8")
    sink = JsonLinesSink(str(path))
    sink.on_event(event(0))
    sink.close()
    assert len(lines(path)) == 1


def test_a_file_that_cannot_be_written_is_a_matter_of_settings(tmp_path):
    with pytest.raises(SettingsError, match="--events"):
        JsonLinesSink(str(tmp_path))


def test_nothing_is_written_after_closing(tmp_path):
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(str(path))
    sink.close()
    sink.close()
    sink.on_event(event(0))
    assert path.read_text(encoding="utf-8") == ""


def test_a_reader_of_standard_output_may_leave():
    code = """
import sys
from livedetect.stream.sinks.jsonl import JsonLinesSink
from livedetect.types import NoticeEvent
sink = JsonLinesSink("-")
for number in range(20000):
    sink.on_event(NoticeEvent(event="gap", frame=number, time_s=0.0))
sink.close()
sys.stderr.write("done")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        first = program.stdout.readline()
        program.stdout.close()
        errors = program.stderr.read().decode()
    assert json.loads(first)["frame"] == 0
    assert errors == "done"
    assert program.returncode == 0
