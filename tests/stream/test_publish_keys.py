"""Results and commands between computers: with keys on both sockets, or not at all."""

import pytest

from livedetect.errors import ProtocolError, SettingsError
from livedetect.stream.client import ResultsClient
from livedetect.stream.curve import create_keys
from livedetect.stream.endpoints import parse_endpoint
from livedetect.stream.publish import ResultsPublisher
from livedetect.types import FrameResult, NoticeEvent, Phase


@pytest.fixture
def keys(tmp_path):
    return create_keys(tmp_path / "keys")


@pytest.fixture
def publisher(keys):
    made = ResultsPublisher(f"tcp://0.0.0.0:0?curve={keys[0]}")
    yield made
    made.close()


@pytest.fixture
def attach(publisher):
    clients = []

    def connect(key):
        option = f"?curve={key}" if key else ""
        port = parse_endpoint(publisher.endpoint).port
        clients.append(ResultsClient(f"tcp://127.0.0.1:{port}{option}"))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_a_friend_sees_results_and_gives_commands(publisher, keys, attach):
    client = attach(keys[1])
    publisher.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values={}))
    assert client.wait_until_attached(10)
    assert client.history()["events"][0]["event"] == "run_started"
    assert client.request("rebaseline") == {"accepted": "rebaseline"}
    assert [command.name for command in publisher.poll()] == ["rebaseline"]


def test_strangers_neither_see_nor_command(publisher, keys, attach, tmp_path):
    _, other = create_keys(tmp_path / "others")
    strangers = [attach(None), attach(other)]
    friend = attach(keys[1])
    result = FrameResult(frame=0, time_s=0.0, phase=Phase.LIVE, disposition="scored")
    publisher.on_result(result)
    assert friend.wait_until_attached(10)
    for stranger in strangers:
        assert not stranger.wait_until_attached(0.3)
        with pytest.raises(ProtocolError, match="no engine"):
            stranger.submit("stop")
    assert not publisher.poll()


def test_a_viewer_here_is_told_its_key(publisher, keys):
    told = parse_endpoint(publisher.viewer_endpoint)
    assert told.host == "127.0.0.1"
    assert told.curve == str(keys[1])


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("tcp://0.0.0.0:0", "livedetect keys"),
        ("tcp://0.0.0.0:0?curve=nothing.key", "cannot be read"),
        ("tcp://127.0.0.1:0?key=x", "only curve=FILE"),
    ],
)
def test_what_is_missing_is_said(endpoint, said):
    with pytest.raises(SettingsError, match=said):
        ResultsPublisher(endpoint)
