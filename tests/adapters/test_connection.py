"""The lamp of a source over a socket: what became of its connection."""

from livedetect.stream.frame_publisher import FramePublisher
from tests.adapters.socket_sessions import ANY_PORT, image
from tests.waiting import until


def test_the_lamp_follows_the_connection(running):
    with FramePublisher(ANY_PORT) as publisher:
        endpoint = publisher.endpoint
    session = running(endpoint)
    source = session.source._source
    assert source.link == "waiting"
    publisher = FramePublisher(endpoint)
    until(lambda: source.link == "connected")
    assert publisher.wait_for_listener(10)  # what is sent before is lost
    publisher.send(image(0))
    publisher._send_control = lambda *_: None  # no end: as if the program had crashed
    publisher.close()
    until(lambda: source.link == "lost")
    session.wait_for(lambda engine: "stalled" in engine.notices)
    with FramePublisher(endpoint):
        until(lambda: source.link == "connected")
    session.ended()
