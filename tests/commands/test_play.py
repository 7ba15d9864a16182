"""What is said and answered around a run: contradictions, remarks, and how it ended."""

import json
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from livedetect.bench.comparison import unrelated
from livedetect.cli import app
from livedetect.commands.options import RunOptions
from livedetect.commands.play import messages_not_taken, remarks, viewing
from livedetect.errors import SettingsError
from livedetect.settings import Settings
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.outputs import known_as
from livedetect.stream.registry import open_source
from livedetect.stream.sinks.jsonl import JsonLinesSink


def test_a_viewer_needs_what_is_published():
    with pytest.raises(SettingsError, match="exclude each other"):
        viewing(RunOptions(publish="none", view=True))
    assert viewing(RunOptions(publish="none")) is False
    assert viewing(RunOptions()) is None


def test_a_channel_asked_for_in_vain_is_said(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((1, 8, 8)))
    with open_source(tmp_path / "f.npy") as source:
        (said,) = remarks(source, Settings(stream="BF"))
    assert "stream=BF has no effect" in said


def test_messages_left_aside_are_told_in_words(tmp_path):
    counts = {"other_channels": 4, "foreign": 2, "stray": 0}
    said = messages_not_taken(counts, RunOptions(record=tmp_path))
    assert said == (
        "Messages left aside: 4 frames of other channels (recorded, not analysed), "
        "2 that are no frames."
    )


def test_listeners_have_names_that_users_know(tmp_path):
    sink = JsonLinesSink(str(tmp_path / "e.jsonl"))
    assert known_as(sink) == "the events file"
    assert known_as(object()) == "object"
    sink.close()


def run(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments])


def test_a_run_of_which_no_frame_could_be_used_is_a_failure(tmp_path):
    np.save(tmp_path / "f.npy", np.full((5, 64, 64), np.nan))
    done = run("run", tmp_path / "f.npy", "--publish", "none", "--events", tmp_path / "e.jsonl")
    assert done.exit_code == 1
    assert "5 frames were turned away" in done.stderr
    ended = json.loads((tmp_path / "e.jsonl").read_text().splitlines()[-1])
    assert (ended["status"], ended["ledger"]["invalid"]) == ("fail", 5)


def test_other_channels_of_a_producer_are_recorded_and_told(tmp_path):
    with FramePublisher("tcp://127.0.0.1:0", stream="HAADF") as publisher:

        def produce():
            publisher.wait_for_listener(60)
            for number in range(6):
                image = np.random.default_rng(number).poisson(9, (64, 64)).astype("u2")
                publisher.send(image)
                publisher.send(image + 1, stream="BF")
            publisher.close()

        producer = threading.Thread(target=produce, daemon=True)
        producer.start()
        session = tmp_path / "s"
        done = run("run", publisher.endpoint, "--publish", "none", "--record", session)
        producer.join(10)
    assert done.exit_code == 0, done.stderr
    assert "6 frames of other channels (recorded, not analysed)" in done.stderr
    told = json.loads(run("info", session, "--json").stdout)
    assert told["other channels"] == {"BF": 6}
    other = run("replay", session, "--set", "stream=BF", "--publish", "none")
    assert other.exit_code == 0, other.stderr
    wrong = run("replay", session, "--set", "stream=DF", "--publish", "none")
    assert isinstance(wrong.exception, SettingsError)


RUNS = {
    "other simulations": ("sim:mos2?seed=1", 60, "sim:ws2?seed=1", 60, True),
    "other lengths": ("a.tif", 60, "b.tif", 61, True),
    "a replay of it": ("sim:mos2?seed=1", 60, "recorded", 60, False),
}


@pytest.mark.parametrize("case", RUNS.values(), ids=RUNS)
def test_runs_of_other_frames_are_noticed_when_compared(case):
    def events(source, sent):
        ended = {"event": "run_ended", "reason": "source_ended", "ledger": {"sent": sent}}
        return [{"event": "run_started", "source": source}, ended]

    first, sent, second, sent_then, warned = case
    said = unrelated(events(first, sent), events(second, sent_then))
    assert bool(said) is warned
