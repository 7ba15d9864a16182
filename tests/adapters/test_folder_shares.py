"""Folders on file systems of other computers, and files that their writers hold locked."""

import threading
from pathlib import Path

import pytest

from livedetect.types import Rejection
from livedetect_adapters import folder_wake
from livedetect_adapters.folder_wake import Wake, is_network
from tests.adapters.reader_contract import save
from tests.waiting import until

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /mnt/nfs nfs4 rw,vers=4.2 0 0
//server/share /mnt/my\\040share cifs rw 0 0
host /mnt/nine 9p rw 0 0
tmpfs /mnt/nfs/local tmpfs rw 0 0
"""


@pytest.fixture
def mounts(monkeypatch):
    class Mounts:
        def read_text(self, **_):
            return MOUNTS

    real = folder_wake.Path
    monkeypatch.setattr(folder_wake.sys, "platform", "linux")
    monkeypatch.setattr(folder_wake, "Path", lambda p: Mounts() if p == "/proc/mounts" else real(p))


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/data/today", False),
        ("/mnt/nfs/today", True),
        ("/mnt/my share", True),
        ("/mnt/nine/a/b", True),
        ("/mnt/nfs/local/today", False),
        ("/mnt/nfs-of-old", False),
    ],
)
def test_the_file_system_that_a_folder_lies_on_decides(folder, network):
    assert is_network(Path(folder)) is network


def test_without_a_list_of_mounts_events_are_tried(monkeypatch, tmp_path):
    def missing(_path, **_):
        raise FileNotFoundError

    monkeypatch.setattr(folder_wake.Path, "read_text", missing)
    assert is_network(tmp_path) is False


def test_a_folder_on_a_network_is_polled(tmp_path, watch, monkeypatch):
    monkeypatch.setattr(folder_wake, "is_network", lambda _: True)
    wake = Wake(tmp_path)
    wake.start()
    assert wake._observer is None
    save(tmp_path, 0)
    watching = watch(tmp_path)
    watching.wait_for(1)
    save(tmp_path, 1)
    watching.wait_for(2)
    assert watching.files == ["f000.npy", "f001.npy"]


class Lock:
    """Files whose names hold `word` cannot be opened, as on Windows while somebody writes."""

    def __init__(self, monkeypatch, word):
        self.word, self.free, self.refused = word, threading.Event(), 0
        opened = Path.open

        def guarded(path, *args, **kwargs):
            if self.word in path.name and not self.free.is_set():
                self.refused += 1
                raise PermissionError(13, "another program uses the file", str(path))
            return opened(path, *args, **kwargs)

        monkeypatch.setattr(Path, "open", guarded)


def test_a_locked_file_is_read_once_its_writer_lets_go(tmp_path, watch, monkeypatch):
    lock = Lock(monkeypatch, "f001")
    save(tmp_path, 0)
    watching = watch(f"{tmp_path}?give_up_s=60")
    watching.wait_for(1)
    save(tmp_path, 1)
    until(lambda: lock.refused >= 2)
    assert len(watching.items) == 1
    lock.free.set()
    watching.wait_for(2)
    assert watching.files == ["f000.npy", "f001.npy"]


def test_a_file_that_stays_locked_is_rejected_with_its_reason(tmp_path, watch, monkeypatch):
    Lock(monkeypatch, "f001")
    watching = watch(f"{tmp_path}?give_up_s=1")
    save(tmp_path, 0, 1, 2)
    watching.wait_for(3)
    (rejected,) = [item for item in watching.items if isinstance(item, Rejection)]
    assert (rejected.index, rejected.reason) == (1, "invalid")
    assert "another program uses the file" in rejected.message
