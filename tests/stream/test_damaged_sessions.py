"""Whatever happens to a session's files, reading it gives frames or the project's own errors."""

import contextlib
import os
import random
import shutil
import sys

import numpy as np
import pytest

from livedetect.commands.session import contents
from livedetect.errors import LivedetectError, SourceError
from livedetect.protocols import SourceRequest
from livedetect.stream.pack import pack
from livedetect.stream.playback import SessionSource
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.recover import recover
from livedetect.stream.session import run_session
from livedetect.types import Frame, FrameResult, Gap, Phase, SourceInfo

ROUNDS = int(os.environ.get("LIVEDETECT_FUZZ_ROUNDS", "60"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A session of twelve frames, a gap and a frame of another channel."""
    recorder = Recorder(tmp_path_factory.mktemp("whole") / "s")
    rng = np.random.default_rng(0)
    frames = [Frame.from_array(rng.poisson(9, (16, 16)), index=n, time_s=n / 9) for n in range(12)]
    run_session(Listed([*frames, Gap(first_missing=12, missing_frames=2)]), Scorer(),
                taps=[recorder], sinks=[recorder])  # fmt: skip
    return recorder._directory


class Listed:
    def __init__(self, items):
        self.info, self.items = SourceInfo(name="listed", live=False), items

    def __iter__(self):
        return iter(self.items)

    def close(self):
        pass


class Scorer:
    def step(self, item):
        scored = "scored" if isinstance(item, Frame) else "none"
        return FrameResult(
            frame=getattr(item, "index", 0), time_s=0.0, phase=Phase.LIVE, disposition=scored
        )

    def apply(self, _):
        return ()

    def state(self):
        return {}


def files(session):
    return sorted(path for path in session.rglob("*") if path.is_file())


def flip(session, rng):
    path = rng.choice(files(session))
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 40)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def flip_journal(session, rng):
    path = session / "events.sqlite"
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 200)):
        data[rng.randrange(100, len(data))] = rng.randrange(256)
    path.write_bytes(data)


def cut(session, rng):
    path = rng.choice(files(session))
    os.truncate(path, rng.randrange(path.stat().st_size + 1))


def cut_journal(session, rng):
    path = session / "events.sqlite"
    os.truncate(path, rng.randrange(path.stat().st_size))


def lose(session, rng):
    rng.choice(files(session)).unlink()


def lose_folder(session, rng):
    shutil.rmtree(rng.choice([path for path in session.rglob("*") if path.is_dir()]))


def put_something_else(session, rng):
    path = rng.choice(files(session))
    other = rng.choice(files(session))
    path.write_bytes(rng.choice([b"", b"\0" * 5000, b"{}", b"[]", b"null", other.read_bytes()]))


def put_a_folder(session, rng):
    path = rng.choice(files(session))
    path.unlink()
    path.mkdir()


def add_strangers(session, rng):
    (session / "notes of today.txt").write_text("x")
    (session / f"frames-{rng.randint(1, 9):04d}.zarr").mkdir(exist_ok=True)
    (session / "events.sqlite-wal").write_bytes(rng.randbytes(rng.randint(0, 9000)))


DAMAGES = [flip, flip_journal, cut, cut_journal, lose, lose_folder, put_something_else,
           put_a_folder, add_strangers]  # fmt: skip


def use(session, folder):
    """Everything that a user can do with a session, one after the other."""

    def played(options):
        for item in SessionSource(SourceRequest(target=str(session), options=options)):
            assert not isinstance(item, Frame) or item.data.ndim == 2

    actions = [
        lambda: played({}),
        lambda: played({"all": "1"}),
        lambda: contents(Recording(session)),
        lambda: list(Recording(session).events()),
        lambda: pack(session, folder / "p.h5", overwrite=True),
        lambda: recover(session),
        lambda: played({}),
    ]
    for action in actions:
        with contextlib.suppress(LivedetectError):
            action()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_session_gives_frames_or_an_error_of_ours(damage, whole, tmp_path):
    do_damage(damage, range(max(1, ROUNDS // len(DAMAGES))), whole, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_many_damaged_sessions_do_as_well(damage, whole, tmp_path):
    do_damage(damage, random.SystemRandom().sample(range(10**9), 100), whole, tmp_path)


def do_damage(damage, seeds, whole, tmp_path):
    for seed in seeds:
        session = tmp_path / str(seed)
        shutil.copytree(whole, session)
        try:
            damage(session, random.Random(seed))  # noqa: S311 - no secrets here
            use(session, tmp_path)
        except Exception:
            sys.stdout.write(f"{damage.__name__}, seed {seed}\n")
            raise
        shutil.rmtree(session)


@pytest.mark.parametrize("size", [0, 2**31 - 1, 2**32 - 1])
def test_a_chunk_that_asks_for_too_much_memory_is_damaged(size, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    chunk = tmp_path / "s" / "frames-0001.zarr" / "c" / "3" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[4:8] = size.to_bytes(4, "little")
    chunk.write_bytes(data)
    with pytest.raises(LivedetectError, match="frame 3 is damaged"):
        list(SessionSource(SourceRequest(target=str(tmp_path / "s"))))


def test_an_undamaged_one_passes_all_of_it(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    use(tmp_path / "s", tmp_path)
    assert recover(tmp_path / "s").frames == 12


def test_a_file_of_events_is_no_session(tmp_path):
    events = tmp_path / "e.jsonl"
    events.write_text('{"event": "run_started"}\n', encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        Recording(events)
    assert str(caught.value) == (
        f"{events} is a file and no session; "
        "a session is the folder that a run leaves with --record DIR"
    )


def test_a_session_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(SourceError, match=r"permission .* is missing"):
        Recording(tmp_path)
