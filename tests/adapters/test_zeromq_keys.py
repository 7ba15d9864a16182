"""Frames between computers: who has no key is turned away, and nothing is open without one."""

import os

import pytest

from livedetect.errors import SettingsError
from livedetect.stream.curve import create_keys, load_keys
from livedetect.stream.frame_publisher import FramePublisher
from tests.adapters.socket_sessions import ANY_PORT, image


@pytest.fixture
def keys(tmp_path):
    return create_keys(tmp_path / "keys")


def test_a_known_subscriber_is_let_in_and_strangers_are_not(running, keys, tmp_path):
    producer, subscriber = keys
    _, other = create_keys(tmp_path / "others")
    with FramePublisher("tcp://127.0.0.1:0", curve=producer) as publisher:
        stranger = running(f"{publisher.endpoint}?curve={other}")
        plain = running(publisher.endpoint)
        for session in (stranger, plain):
            session.wait_for(lambda engine: "stalled" in engine.notices)
        friend = running(f"{publisher.endpoint}?curve={subscriber}")
        assert publisher.wait_for_listener(10)
        for number in range(3):
            publisher.send(image(number))
    assert friend.ended().ledger["received"] == 3
    for session in (stranger, plain):
        session.stop.set()
        assert session.ended().ledger["received"] == 0


def test_a_client_of_the_right_server_with_another_own_key_is_turned_away(running, keys, tmp_path):
    producer, _ = keys
    _, other = create_keys(tmp_path / "others")
    text = other.read_text(encoding="ascii")
    wrong, right = (
        load_keys(path, role)
        for path, role in zip((other, producer), ("subscriber", "producer"), strict=True)
    )
    other.write_text(text.replace(wrong.peer.decode(), right.public.decode()), encoding="ascii")
    with FramePublisher(ANY_PORT, curve=producer) as publisher:
        session = running(f"{publisher.endpoint}?curve={other}")
        session.wait_for(lambda engine: "stalled" in engine.notices)
        publisher.send(image(0))
        assert session.source._source.link == "refused"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_only_their_owner_can_read_them(keys):
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600, 0o600]
    keys[0].chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_keys(keys[0], "producer")


def test_they_are_not_overwritten_nor_mixed_up(keys):
    with pytest.raises(SettingsError, match="exists"):
        create_keys(keys[0].parent)
    with pytest.raises(SettingsError, match=r"producer\.key is needed"):
        FramePublisher(ANY_PORT, curve=keys[1])
    keys[0].write_text("{}", encoding="ascii")
    with pytest.raises(SettingsError, match="no key file"):
        load_keys(keys[0], "producer")


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="keys cannot be written there"):
        create_keys(tmp_path / "file" / "keys")


def test_the_secret_is_not_shown(keys):
    loaded = load_keys(keys[0], "producer")
    assert loaded.secret.decode() not in repr(loaded)


def test_nothing_is_opened_to_the_network_without_keys(tmp_path):
    with pytest.raises(SettingsError, match="livedetect keys"):
        FramePublisher("tcp://0.0.0.0:0")
    producer, _ = create_keys(tmp_path)
    with FramePublisher("tcp://0.0.0.0:0", curve=producer) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")
