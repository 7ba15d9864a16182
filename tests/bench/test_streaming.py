"""The table of recording and sending, on frames so small that it is made at once."""

import json

import pytest
import zmq
from typer.testing import CliRunner

from livedetect.bench import streaming
from livedetect.cli import app


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(streaming, "EDGES_PX", (64,))
    monkeypatch.setattr(streaming, "RECORDED_EDGE_PX", 64)


def test_every_line_is_measured_beside_the_plain_way(tmp_path):
    result = CliRunner().invoke(app, ["bench", "stream", "--seconds", "0.2", "--dir", tmp_path])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith(("| rec", "| send"))]
    assert len(lines) == 2 + 1 + bool(zmq.has("ipc"))
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_rates_come_as_json(monkeypatch):
    line = streaming.Rate(what="send", edge_px=512, frames_per_s=100.0, plain_per_s=400.0)
    monkeypatch.setattr(streaming, "rates", lambda *_: iter([line]))
    result = CliRunner().invoke(app, ["bench", "stream", "--json"])
    (told,) = json.loads(result.stdout)
    assert told["ratio"] == 0.25
