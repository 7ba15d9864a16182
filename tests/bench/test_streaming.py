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


def be_silent(_address, _edge, ready, stop):
    """A sender that is ready and never sends."""
    ready.set()
    stop.wait(60)


def never_begin(_address, _edge, _ready, _stop):
    """A sender that ends before it is ready."""


@pytest.mark.parametrize("receive", [streaming._receive, streaming._receive_plain])
@pytest.mark.parametrize(
    ("sender", "words"), [(be_silent, "no frame arrived"), (never_begin, "did not begin")]
)
def test_it_does_not_wait_for_ever(monkeypatch, receive, sender, words):
    monkeypatch.setattr(streaming, "PATIENCE_S", 8.0 if sender is be_silent else 0.5)
    address = streaming._address("tcp", None, 64)
    with pytest.raises(SourceError, match=words):
        streaming._received_per_s(sender, receive, address, 64, 0.2)


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
