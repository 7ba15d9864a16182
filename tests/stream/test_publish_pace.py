"""How much is published how often: a slow listener harms nobody, and no event is lost."""

import time

import numpy as np
import zmq

from livedetect.stream.status import SessionStatus
from livedetect.types import Frame, Phase
from tests.stream.told import notice, picture, result
from tests.waiting import until


def test_listener_that_never_reads_slows_nobody(publisher, client):
    good = client(publisher.endpoint)
    with zmq.Context() as context, context.socket(zmq.SUB) as hung:
        hung.setsockopt(zmq.LINGER, 0)
        hung.setsockopt(zmq.RCVHWM, 1)
        hung.setsockopt(zmq.SUBSCRIBE, b"")
        hung.connect(publisher.endpoint)
        assert good.wait_until_attached(5.0)
        slowest_s = 0.0
        for frame in range(400):
            start = time.perf_counter()
            publisher.on_frame(picture(frame, 256))
            publisher.on_result(result(frame, events=(notice(frame, missing_frames=1),)))
            slowest_s = max(slowest_s, time.perf_counter() - start)
            time.sleep(0.002)
        until(lambda: len(good.history()["events"]) == 400)
    assert slowest_s < 0.1


def test_burst_loses_results_but_no_event(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    for frame in range(3000):
        events = (notice(frame, "defect_healed", defect_id=frame),) if frame % 3 == 0 else ()
        publisher.on_result(result(frame, events=events))
    until(lambda: watcher.state()["latest"].get("frame") == 2999)
    until(lambda: len(watcher.history()["events"]) == 1000)
    assert [event["defect_id"] for event in watcher.history()["events"]] == list(range(0, 3000, 3))


def test_status_comes_once_a_second_without_frames(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_status(SessionStatus(ledger={"received": 5}, stale=True))
    until(lambda: watcher.state()["latest"].get("flags", {}).get("stale"), 2.5)
    assert watcher.state()["latest"]["ledger"] == {"received": 5}


def test_big_frames_are_shrunk_and_say_how(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    data = np.zeros((2048, 1500), dtype=np.uint16)
    data[1000:1002, 600:602] = 4000
    data[::7, ::5] += 100
    publisher.on_frame(Frame.from_array(data, index=0))
    publisher.on_result(result(0, Phase.WARMING_UP))
    preview = until(lambda: watcher.take().preview)
    assert preview.image.shape == (1024, 750)
    brightest = np.unravel_index(np.argmax(preview.image), preview.image.shape)
    np.testing.assert_allclose(preview.affine @ (*brightest, 1), (1000.5, 600.5))


def test_previews_come_at_most_twenty_times_a_second(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    start = time.monotonic()
    for frame in range(200):
        publisher.on_frame(picture(frame))
        publisher.on_result(result(frame))
        time.sleep(0.005)
    elapsed_s = time.monotonic() - start
    time.sleep(0.1)
    received = watcher.take().previews_received
    assert 5 <= received <= 20 * (elapsed_s + 0.1) + 2


def test_the_picture_stays_live_while_the_analysis_is_busy(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_frame(picture(7))
    preview = until(lambda: watcher.take().preview, 3.0)
    assert preview.header["frame"] == 7
    assert not preview.header["analysed"]


def test_publishing_can_wait_for_somebody(publisher, client):
    assert not publisher.wait_for_listener(0.05)
    client(publisher.endpoint)
    assert publisher.wait_for_listener(5.0)
