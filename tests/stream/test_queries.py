"""Questions about a defect: from a client through the publisher to the engine and back."""

import threading

import numpy as np
import pytest

from livedetect.errors import ProtocolError, SettingsError
from livedetect.inspection import Inspection
from livedetect.stream.client import ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.queries import answer_query
from livedetect.stream.wire_pictures import decode_inspection
from livedetect.types import NoticeEvent

PICTURE = np.full((64, 64), 2.5, np.float32)


class Showing:
    """An engine that can show defect 3 and fails for 5."""

    def inspect(self, defect_id):
        if defect_id == 5:
            raise RuntimeError("broken")
        if defect_id != 3:
            raise SettingsError(f"no defect has the id {defect_id}")
        return Inspection(
            defect_id=3, frame=9, x_px=1.0, y_px=2.0, edge_px=64.0, before=PICTURE,
            after=PICTURE, residual=PICTURE, frames_before=12, frames_after=8, window_frames=1,
        )  # fmt: skip


@pytest.fixture
def asked():
    """asked(engine): a client whose questions `engine` answers as in a session."""
    publisher, over = ResultsPublisher("tcp://127.0.0.1:0"), threading.Event()
    client = ResultsClient(publisher.endpoint)
    threads = []

    def start(engine):
        def loop():
            while not over.wait(0.01):
                for query in publisher.queries():
                    answer_query(query, engine)

        threads.append(threading.Thread(target=loop))
        threads[0].start()
        return client, publisher

    yield start
    over.set()
    threads[0].join()
    client.close()
    publisher.close()


def test_pictures_come_back(asked):
    client, _ = asked(Showing())
    shown = decode_inspection(client.request("inspect", timeout_s=20.0, defect_id=3))
    np.testing.assert_array_equal(shown.after, PICTURE)


@pytest.mark.parametrize(
    ("engine", "args", "said"),
    [
        (Showing(), {"defect_id": 4}, "no defect has the id 4"),
        (Showing(), {"defect_id": 5}, "broken"),
        (Showing(), {}, "exactly one argument"),
        (Showing(), {"defect_id": "x"}, "defect_id"),
        (object(), {"defect_id": 3}, "cannot show its defects"),
    ],
)
def test_what_cannot_be_shown_is_said(asked, engine, args, said):
    client, _ = asked(engine)
    with pytest.raises(ProtocolError, match=said):
        client.request("inspect", timeout_s=20.0, **args)


def test_after_the_end_nobody_waits_for_an_answer(asked):
    client, publisher = asked(Showing())
    client.request("inspect", timeout_s=20.0, defect_id=3)
    publisher.on_event(NoticeEvent(event="run_ended", frame=9, time_s=0.0))
    over = threading.Event()
    for _ in range(200):
        if client.state()["end"]:
            break
        over.wait(0.05)
    with pytest.raises(ProtocolError, match="the run has ended"):
        client.request("inspect", timeout_s=20.0, defect_id=3)


def test_the_recording_is_told_with_the_status(asked):
    client, publisher = asked(Showing())
    publisher.tell_recording(lambda: {"state": "on", "free_bytes": 10**9})
    over = threading.Event()
    for _ in range(200):
        if client.state()["latest"].get("recording"):
            break
        over.wait(0.05)
    assert client.state()["latest"]["recording"] == {"state": "on", "free_bytes": 10**9}
