"""Where results are published, and who or what else is at those ports."""

import random
import socket

import pytest
import zmq

from livedetect.errors import EndpointError, SettingsError
from livedetect.stream import wire_requests
from livedetect.stream.client import Link, ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.wire import encode_map
from tests.waiting import until

ANYWHERE = "tcp://127.0.0.1:0"


def test_taken_port_is_named_with_the_way_out(publisher):
    port = publisher.endpoint.rpartition(":")[2]
    with pytest.raises(EndpointError, match=rf"port {port} .* --publish tcp://127.0.0.1:PORT"):
        ResultsPublisher(publisher.endpoint)


def test_taken_control_port_is_named_too():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match=f"port {port} "):
            ResultsPublisher(f"tcp://127.0.0.1:{port - 1}")


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5591", "tcp://192.0.2.1:5591", "tcp://*:1"])
def test_open_addresses_are_refused(endpoint):
    with pytest.raises(SettingsError, match="open to the network"):
        ResultsPublisher(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["", "5591", "tcp://127.0.0.1", "tcp://:5", "tcp://h:x", "tcp://h:70000", "udp://h:1"],
)
def test_malformed_addresses_are_refused(endpoint):
    with pytest.raises(SettingsError, match="write it as"):
        ResultsPublisher(endpoint)
    with pytest.raises(SettingsError, match="write it as"):
        ResultsClient(endpoint)


def test_ports_are_free_again_after_close():
    first = ResultsPublisher(ANYWHERE)
    first.close()
    first.close()
    second = ResultsPublisher(first.endpoint)
    assert second.endpoint == first.endpoint
    second.close()


def test_garbage_on_the_control_socket_changes_nothing(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    rng = random.Random(3)  # noqa: S311 - it must repeat itself
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.connect(publisher.control_endpoint)
        for number in range(300):
            parts = [rng.randbytes(rng.randint(0, 50)) for _ in range(rng.randint(1, 5))]
            stranger.send_multipart(
                [encode_map({"id": number}), *parts][rng.randint(0, 1) :] or [b""]
            )
        stranger.send(wire_requests.encode_request("x" * 60_000, "stop", {"a": [[]] * 1000}))
        stranger.setsockopt(zmq.LINGER, 1000)
    with zmq.Context() as context, context.socket(zmq.DEALER) as giant:
        giant.setsockopt(zmq.LINGER, 0)
        giant.connect(publisher.control_endpoint)
        giant.send(b"\x00" * (wire_requests.MAX_REQUEST_BYTES + 1))
        assert giant.poll(200) == 0
    with socket.create_connection(
        ("127.0.0.1", int(publisher.control_endpoint.rpartition(":")[2]))
    ) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
    assert watcher.request("rebaseline") == {"accepted": "rebaseline"}
    assert [command.name for command in publisher.poll()] == ["rebaseline"]


def test_request_of_another_version_is_answered(publisher):
    with zmq.Context() as context, context.socket(zmq.REQ) as socket_:
        socket_.setsockopt(zmq.LINGER, 0)
        socket_.connect(publisher.control_endpoint)
        message = {"p": "livedetect-results", "v": 2, "id": 5, "cmd": "stop", "args": {}}
        socket_.send(encode_map(message))
        assert socket_.poll(5000)
        reply = wire_requests.decode_reply(socket_.recv())
    assert reply["id"] == 5
    assert "version 2, here 1" in reply["error"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (encode_map({"p": "livedetect-results", "v": 2, "kind": "status"}), "version 2, here 1"),
        (b"weather 21 C", "not a livedetect engine"),
    ],
)
def test_strangers_at_the_address_are_named(client, message, said):
    with zmq.Context() as context, context.socket(zmq.PUB) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        port = stranger.bind_to_random_port("tcp://127.0.0.1")
        watcher = client(f"tcp://127.0.0.1:{port}")
        update = until(lambda: stranger.send(message) or attached_or_not(watcher))
        assert said in update.message


def attached_or_not(watcher):
    update = watcher.take()
    return update if update.link is Link.INCOMPATIBLE else None
