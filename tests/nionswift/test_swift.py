"""The tap in a real Nion Swift: every pitfall that was met, and what else happens at a column."""

import subprocess
import time
import zlib

import numpy as np
import pytest

from livedetect.stream.curve import create_keys
from livedetect.types import Gap
from tests.nionswift.rig import QUIET, until

PIXEL_NM = 0.316 / 16


def crc(frame):
    return zlib.crc32(np.ascontiguousarray(frame.data))


def is_torn(frame):
    """Rows that were not scanned are zero; the crystal never is."""
    return not frame.data[-1].any()


def balanced(counts):
    fates = ("sent", "dropped", "torn", "unsuitable", "unsent", "fault", "waiting")
    return counts["seen"] == sum(counts.get(name, 0) for name in fates)


def test_frames_are_copied_before_swift_overwrites_them(swift, subscribe):
    swift.watch()
    subscriber = subscribe(swift.stream())
    swift.scan(pixel_time_us=6.0)  # slow enough to come in parts, which is when Swift overwrites
    frames = subscriber.wait(5)
    # the buffers themselves are overwritten: copying them later would not do
    until(lambda: swift.overwritten()["changed"] > 0)
    swift.stop()
    sums = swift.witnessed()["sums"]
    assert all(crc(frame) == sums[f"{frame.scan_id}/a"] for frame in frames)


def test_a_frame_says_what_is_known_of_it(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.column(name="BeamCurrent", value=7e-11)
    time.sleep(0.6)
    swift.scan(size=200, pixel_time_us=2.0)
    frame = subscriber.wait(2)[1]
    assert frame.stream == "swift/HAADF"
    assert frame.data.shape == (200, 200)
    known = frame.calibration
    assert known.pixel_size_nm == pytest.approx(PIXEL_NM, rel=1e-3)
    assert (known.dwell_us, known.high_tension_kv) == (2.0, 80.0)
    assert known.current_pA == pytest.approx(70.0)
    assert known.current_source == "instrument"
    assert frame.meta["src"] == "nionswift/usim_scan_device"
    assert frame.meta["defocus"] == pytest.approx(500e-9)
    assert frame.meta["fov_nm"] == pytest.approx(200 * PIXEL_NM, rel=1e-3)
    assert frame.meta["blanked"] is False
    assert frame.scan_id


def test_a_blanked_beam_has_no_current(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.scan()
    subscriber.wait(1)
    swift.column(name="C_Blank", value=1.0)
    try:
        until(lambda: subscriber.frames()[-1].calibration.current_pA == 0)
        assert not swift.truth()["defects"]
    finally:
        swift.column(name="C_Blank", value=0.0)


def test_listeners_are_kept(swift, subscribe):
    swift.collect()
    subscriber = subscribe(swift.stream())
    swift.scan()
    subscriber.wait(2)
    swift.collect()
    subscriber.wait(4)


def test_what_raises_in_the_tap_silences_nobody(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.watch()
    swift.break_tap()
    swift.scan()
    until(lambda: swift.status()["counts"].get("fault", 0) >= 3)
    assert len(swift.witnessed()["sums"]) >= 2
    assert not subscriber.frames()
    swift.break_tap(broken=False)
    subscriber.wait(2)


def test_a_listener_that_never_reads_does_not_slow_the_scan(swift, subscribe):
    endpoint = swift.stream()
    code = (
        "import sys, time, zmq; s = zmq.Context().socket(zmq.SUB); s.setsockopt(zmq.RCVHWM, 1);"
        "s.subscribe(b''); s.connect(sys.argv[1]); time.sleep(100)"
    )
    import sys

    hung = subprocess.Popen([sys.executable, "-c", code, endpoint])
    try:
        until(lambda: swift.status()["listeners"] == 1)
        subscriber = subscribe(endpoint)
        swift.scan()
        frames = subscriber.wait(12)
        assert not [item for item in subscriber.items if isinstance(item, Gap)]
        assert [frame.index for frame in frames] == list(range(len(frames)))
        assert swift.status()["counts"].get("dropped", 0) == 0
    finally:
        hung.kill()
        hung.wait()


def test_a_sender_that_hangs_does_not_hold_the_scan(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.scan(size=128, pixel_time_us=1.0)
    subscriber.wait(1)
    dropped = swift.status()["counts"].get("dropped", 0)
    swift.hang_sender()
    try:
        before = swift.status()["counts"]
        # more than can wait: the scan goes on, the oldest are dropped and counted
        until(lambda: swift.status()["counts"].get("dropped", 0) >= dropped + 3)
        during = swift.status()["counts"]
    finally:
        swift.hang_sender(hung=False)
    assert during["sent"] <= before["sent"] + 1
    assert during["seen"] >= before["seen"] + 10
    seen = len(subscriber.frames())
    subscriber.wait(seen + 2)
    swift.stop()
    until(lambda: not swift.scanning())
    counts = until(lambda: (c := swift.status()["counts"]).get("waiting", 0) == 0 and c)
    assert balanced(counts)
    lost = sum(item.missing_frames for item in subscriber.items if isinstance(item, Gap))
    assert lost == counts["dropped"] - dropped


def test_settings_that_make_no_sense_keep_neither_the_plug_in_nor_swift_from_starting(start_swift):
    swift = start_swift(QUIET, action="explode", markers="yes", blank_timeout_ms=None, unknown=1)
    assert swift.status()["duty"] == "DISARMED"
    assert swift.panel()
    assert swift.stream()
    assert swift.close() == 0


@pytest.mark.parametrize("late_s", [0.0, 0.02])
def test_an_aborted_frame_is_never_sent(swift, subscribe, late_s):
    swift.tell_aborts_late(late_s=late_s)
    subscriber = subscribe(swift.stream())
    random = np.random.default_rng(1)
    before = swift.status()["counts"]
    for _ in range(12):
        swift.scan(size=300, pixel_time_us=1.0)
        time.sleep(random.uniform(0.05, 0.35))
        swift.abort()
        until(lambda: not swift.scanning())
    swift.scan()
    subscriber.wait(1)
    swift.stop()
    until(lambda: not swift.scanning())
    counts = until(lambda: (c := swift.status()["counts"]).get("waiting", 0) == 0 and c)
    assert balanced(counts)
    received = until(lambda: len(subscriber.frames()) == counts["sent"] - before.get("sent", 0))
    assert received
    assert not [frame.index for frame in subscriber.frames() if is_torn(frame)]
    swift.tell_aborts_late(late_s=0.0)


def test_a_stop_that_turns_into_an_abort_leaves_no_torn_frame(swift, subscribe):
    """After a stop Swift tells of no abort any more; in slow pixels it completes a torn frame."""
    subscriber = subscribe(swift.stream())
    swift.watch()
    for _ in range(3):
        swift.scan(size=32, pixel_time_us=1e5)
        time.sleep(0.3)
        swift.stop()
        swift.abort()
        until(lambda: not swift.scanning())
    assert swift.witnessed()["sums"], "Swift announced none of them as complete"
    swift.scan(size=128)
    subscriber.wait(1)
    assert {frame.data.shape for frame in subscriber.frames()} == {(128, 128)}


def test_numbers_go_on_where_swift_begins_anew(swift, subscribe):
    swift.watch()
    subscriber = subscribe(swift.stream())
    for start in range(3):
        swift.scan()
        subscriber.wait(2 * start + 2)
        swift.stop()
        until(lambda: not swift.scanning())
    assert swift.frame_index().count(0) >= 3
    frames = subscriber.frames()
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert len({frame.scan_id for frame in frames}) == len(frames)


def test_a_record_during_view_is_a_frame_like_others(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.scan(size=160)
    subscriber.wait(2)
    swift.record(size=320)
    until(lambda: any(frame.data.shape == (320, 320) for frame in subscriber.frames()))
    seen = len(subscriber.frames())
    frames = subscriber.wait(seen + 2)
    assert frames[-1].data.shape == (160, 160)
    assert {frame.stream for frame in frames} == {"swift/HAADF"}
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert not any(is_torn(frame) for frame in frames)


def test_an_aborted_record_costs_nothing_but_itself(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.scan(size=160)
    subscriber.wait(1)
    for wait_s in (0.1, 0.25, 0.4):
        swift.record(size=600, pixel_time_us=10.0)  # seconds: it is never complete by then
        time.sleep(wait_s)
        swift.abort_record()
        seen = len(subscriber.frames())
        subscriber.wait(seen + 2)
    assert not any(is_torn(frame) for frame in subscriber.frames())
    assert {frame.data.shape for frame in subscriber.frames()} == {(160, 160)}


def test_a_view_that_cuts_a_record_short_leaves_no_torn_frame(swift, subscribe):
    subscriber = subscribe(swift.stream())
    for _ in range(3):
        swift.record(size=400)
        time.sleep(0.1)
        swift.scan(size=128)
        seen = len(subscriber.frames())
        subscriber.wait(seen + 2)
        swift.abort()
        until(lambda: not swift.scanning())
    assert not any(is_torn(frame) for frame in subscriber.frames())


def test_a_subscan_has_its_own_field_of_view(swift, subscribe):
    subscriber = subscribe(swift.stream())
    swift.scan(size=256)
    subscriber.wait(1)
    swift.subscan()
    small = until(lambda: [frame for frame in subscriber.frames() if frame.meta["subscan"]])[0]
    assert small.stream == "swift/HAADF"
    height = small.data.shape[0]
    assert small.calibration.pixel_size_nm == pytest.approx(0.5 * 256 * PIXEL_NM / height, rel=0.02)
    assert small.meta["fov_nm"] == pytest.approx(256 * PIXEL_NM, rel=1e-3)


def test_channels_of_one_scan_are_streams_that_share_it(swift, subscribe):
    endpoint = swift.stream()
    first = subscribe(f"{endpoint}?stream=swift/HAADF")
    second = subscribe(f"{endpoint}?stream=swift/MAADF")
    swift.scan(channels=(0, 1))
    second.wait(2)
    both = {f.scan_id for f in first.wait(2)} & {f.scan_id for f in second.frames()}
    assert both
    swift.abort()
    until(lambda: not swift.scanning())
    swift.scan(channels=(0,))
    seen = len(second.frames())
    first.wait(len(first.frames()) + 2)
    assert len(second.frames()) <= seen + 1


def test_a_device_that_appears_late_is_tapped_too(swift, subscribe):
    endpoint = swift.stream()
    first = subscribe(f"{endpoint}?stream=swift/HAADF")
    swift.scan()
    first.wait(1)
    swift.add_scanner(name="second_scanner")
    second = subscribe(f"{endpoint}?stream=swift/second_scanner/HAADF")
    assert second.wait(2)[0].data.shape == (128, 128)
    swift.remove_scanner(name="second_scanner")
    first.wait(len(first.frames()) + 2)


def test_a_taken_port_is_told_and_swift_goes_on(swift, subscribe):
    endpoint = swift.stream()
    swift.stop_streaming()
    import zmq

    with zmq.Context() as context, context.socket(zmq.PUB) as taken:
        taken.bind(endpoint)
        assert swift.start(frames=endpoint) is False
        assert "in use, perhaps by another Swift" in swift.status()["trouble"]
    assert swift.start(frames="tcp://0.0.0.0:0") is False
    assert "key" in swift.status()["trouble"]
    results = swift.results
    assert swift.start(frames="tcp://127.0.0.1:0", results="nonsense") is False
    assert "results from nonsense" in swift.status()["trouble"]
    swift.change(results=results)
    subscriber = subscribe(swift.stream())
    swift.scan()
    subscriber.wait(1)


def test_beyond_this_computer_only_the_known_key_is_let_in(swift, subscribe, tmp_path):
    producer, subscriber_key = create_keys(tmp_path / "keys")
    _, stranger_key = create_keys(tmp_path / "others")
    endpoint = swift.stream(frames_key=str(producer))
    try:
        friend = subscribe(f"{endpoint}?curve={subscriber_key}")
        stranger = subscribe(f"{endpoint}?curve={stranger_key}")
        swift.scan()
        friend.wait(2)
        assert not stranger.frames()
    finally:
        swift.stop_streaming()
        swift.change(frames_key="")


def test_the_panel_opens_and_its_button_works(swift):
    assert swift.panel()
    told = swift.press_start()
    assert told[:2] == ["Stop streaming", "Streaming, nobody listens"]
    assert "not heard" in told[2]
    assert told[3:6] == ["Start streaming", "Not streaming", "blank_and_stop"]
    assert told[6].startswith("Alarm: not armed")
    assert "start streaming first" in told[6]
    assert told[7].startswith("Alarm: armed, but no engine is heard")


def test_what_is_chosen_in_the_panel_is_remembered_and_the_environment_is_not(swift):
    assert swift.choose(index=1) == {"action": "notify"}
    assert swift.choose(index=0) == {}


def test_swift_ends_in_time_and_says_so(shared_swift, subscribe):
    """The last of these tests: no other can use this Swift any more."""
    subscriber = subscribe(shared_swift.stream())
    shared_swift.scan()
    subscriber.wait(1)
    assert shared_swift.close() == 0
    until(lambda: subscriber.ended, 60)
    assert not [item for item in subscriber.items if isinstance(item, Gap)]
