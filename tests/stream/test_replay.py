import time

import pytest

from livedetect.errors import SettingsError
from livedetect.stream.replay import Paced, parse_speed


def seconds_for(source):
    begun = time.monotonic()
    count = len(list(source))
    return count, time.monotonic() - begun


@pytest.mark.parametrize(("speed", "expected_s"), [(1.0, 0.4), (4.0, 0.1)])
def test_frames_come_at_the_pace_of_their_acquisition(listed, frames, stop, speed, expected_s):
    count, seconds = seconds_for(Paced(listed(frames(5)), stop, speed=speed))
    assert count == 5
    assert expected_s <= seconds < expected_s + 0.3


def test_frames_come_evenly_at_a_rate(listed, frames, stop):
    count, seconds = seconds_for(Paced(listed(frames(5)), stop, fps=20.0))
    assert count == 5
    assert 0.2 <= seconds < 0.5


def test_stopping_is_prompt(listed, frames, stop):
    stop.set()
    count, seconds = seconds_for(Paced(listed(frames(5)), stop, speed=0.001))
    assert count == 0
    assert seconds < 1


def test_it_is_the_source_otherwise(listed, stop):
    source = listed([])
    paced = Paced(source, stop, speed=1.0)
    paced.close()
    assert paced.info is source.info
    assert source.closed == 1


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("1x", 1.0), ("2.5x", 2.5), ("10", 10.0)]
)
def test_speeds(text, speed):
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0x", "-1x", "nanx", "infx", "x"])
def test_what_is_no_speed_is_answered_with_what_is(text):
    with pytest.raises(SettingsError, match="max, 1x"):
        parse_speed(text)
