import signal
import threading

import pytest

from livedetect.commands.interruption import interruptible


def test_the_first_asks_and_the_second_insists():
    stop = threading.Event()
    with interruptible(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_former_ways_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible(threading.Event()):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def interrupted(times):
    with interruptible(threading.Event()):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)


def test_both_are_acknowledged(capfd):
    interrupted(1)
    assert "Ending after this frame" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        interrupted(2)
    assert "ended at once" in capfd.readouterr().err
