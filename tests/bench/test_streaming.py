"""The table of recording and sending, on frames so small that it is made at once."""

import json

import pytest
import zmq
from typer.testing import CliRunner

from livedetect.bench import streaming
from livedetect.cli import app
from livedetect.errors import SourceError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(streaming, "EDGES_PX", (64,))
    monkeypatch.setattr(streaming, "RECORDED_EDGE_PX", 64)


def test_every_line_is_measured_beside_the_plain_way(tmp_path):
    result = CliRunner().invoke(app, ["bench", "stream", "--seconds", "0.2", "--dir", tmp_path])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith(("| rec", "| send"))]
    assert len(lines) == 2 + 1 + bool(zmq.has("ipc"))
    for kind in ("counts", "noise"):
        assert f"| raw {kind} | 64 |" in result.stdout
        assert f"| compress {kind} | 64 |" in result.stdout
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_the_table_has_the_sizes_of_a_laboratory(monkeypatch):
    monkeypatch.undo()
    assert streaming.RECORDED_EDGE_PX == 1024
    assert set(streaming.EDGES_PX) == {512, 1024, 2048}


def never_begin(_address, _edge, _ready, _stop):
    """A sender that ends before it is ready."""


def test_a_sender_that_does_not_begin_is_told(monkeypatch):
    monkeypatch.setattr(streaming, "PATIENCE_S", 0.5)
    with pytest.raises(SourceError, match="did not begin"):
        streaming._received_per_s(never_begin, streaming._receive, "tcp://127.0.0.1:1", 64, 0.2)


@pytest.mark.parametrize("receive", [streaming._receive, streaming._receive_plain])
def test_a_sender_that_is_silent_is_not_waited_for_for_ever(monkeypatch, receive):
    monkeypatch.setattr(streaming, "PATIENCE_S", 0.5)
    with zmq.Context() as context, context.socket(zmq.PUB) as silent:
        port = silent.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(SourceError, match="no frame arrived"):
            receive(f"tcp://127.0.0.1:{port}", 0.2)


def test_what_was_measured_before_a_failure_is_told(monkeypatch):
    def fail(*_):
        yield streaming.Rate(what="send", edge_px=512, frames_per_s=100.0, plain_per_s=400.0)
        raise SourceError("no frame arrived")

    monkeypatch.setattr(streaming, "rates", fail)
    result = CliRunner().invoke(app, ["bench", "stream"])
    assert isinstance(result.exception, SourceError)
    assert "| send | 512 | 100 |" in result.stdout


def test_rates_come_as_json(monkeypatch):
    line = streaming.Rate(what="send", edge_px=512, frames_per_s=100.0, plain_per_s=400.0)
    monkeypatch.setattr(streaming, "rates", lambda *_: iter([line]))
    result = CliRunner().invoke(app, ["bench", "stream", "--json"])
    (told,) = json.loads(result.stdout)
    assert told["ratio"] == 0.25
