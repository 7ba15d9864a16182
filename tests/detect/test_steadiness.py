import numpy as np
import pytest

from livedetect import Calibration, Frame
from livedetect.detect.dose import DoseMeter
from livedetect.detect.frame_rows import FrameRows
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.steadiness import Jumps, Pace, Sharpness

SCAN = Calibration(pixel_size_nm=0.02, dwell_us=8.0, current_pA=50.0, rotation_deg=0.0)


def frame(index: int = 0, time_s: float = 0.0, scan: Calibration = SCAN, **more: object) -> Frame:
    return Frame(data=np.zeros((64, 64)), index=index, time_s=time_s, calibration=scan, **more)


def test_sharpness_that_changes_fast_freezes_until_it_is_steady() -> None:
    rng = np.random.default_rng(0)
    x = np.arange(128)
    optics = Sharpness()
    turns = []
    for contrast in [1.0] * 5 + [0.7, 0.4, 0.5] + [0.9] * 6:
        pixels = 10 + 5 * contrast * np.sin(x / 3)[None, :] + rng.normal(0, 1, (128, 128))
        turns.append(optics.step(FrameRows.of(pixels)))
    assert [turn for turn in turns if turn] == ["changing", "steady"]
    assert turns.index("changing") == 5
    assert turns.index("steady") == 11


def test_slow_defocus_is_no_refocusing() -> None:
    x = np.arange(128)
    optics = Sharpness()
    for contrast in np.linspace(1, 0.5, 40):
        pixels = np.tile(10 + 5 * contrast * np.sin(x / 3), (128, 1))
        assert optics.step(FrameRows.of(pixels)) == ""


def test_a_hole_that_opens_fast_is_no_refocusing() -> None:
    rng, optics = np.random.default_rng(0), Sharpness()
    row, col = np.indices((192, 192))
    columns = 6 + 4 * np.sin(col / 3) * np.sin(row / 3)
    whole = []
    for index in range(13):
        gone = np.hypot(row - 100, col - 90) < 8 * max(0, index - 8)
        frame = FrameRows.of(rng.poisson(np.where(gone, 0.6, columns)))
        assert optics.step(frame) == ""
        whole.append(np.log(frame.sharpness()))
    assert max(abs(np.diff(whole))) > 0.2  # by the whole frame it would be one


@pytest.mark.parametrize("period", [4.0, 4.05, 8.0, 9.0])
@pytest.mark.parametrize("contrasts", [(0.7, 0.5), (0.5, 0.7)])
@pytest.mark.parametrize("phase", [0.0, 0.8])
def test_another_focus_is_seen_whatever_the_distance_of_the_rows(
    period: float, contrasts: tuple[float, float], phase: float
) -> None:
    rng, optics = np.random.default_rng(0), Sharpness()
    row, col = np.indices((250, 256))
    pattern = np.cos(2 * np.pi * col / 9) * np.cos(2 * np.pi * row / period + phase)
    turns = [
        optics.step(FrameRows.of(rng.poisson(20 * (1 + contrasts[index >= 8] * pattern))))
        for index in range(10)
    ]
    assert turns == [""] * 8 + ["changing", ""]


@pytest.mark.parametrize("share", [0.3, 0.4, 1.0])
def test_a_hole_in_a_flake_beside_nothing_is_no_refocusing(share: float) -> None:
    row, col = np.indices((256, 256))
    wide = 256 * share
    pattern = np.where(col < wide, np.cos(col / 1.5) * np.cos(row / 1.5), 0.0)
    hole = np.hypot(row - 96, col - wide / 2) < 30
    for seed in range(4):
        rng, optics = np.random.default_rng(seed), Sharpness()
        whole = []
        for index in range(10):
            columns = np.where(hole & (index >= 8), 0.0, 20 * (1 + 0.7 * pattern))
            assert optics.step(FrameRows.of(rng.poisson(columns))) == ""
            whole.append(np.log(optics.value))
        assert max(abs(np.diff(whole))) > 0.2


def test_a_pause_is_much_longer_than_usual_and_missing_frames_are_none() -> None:
    pace = Pace()
    assert not any(pace.paused(frame(i, 2.0 * i)) for i in range(8))
    assert not pace.paused(frame(20, 40.0))
    assert pace.paused(frame(21, 60.0))
    assert not pace.paused(frame(22, 62.0))


def test_a_jump_is_judged_by_what_is_usual() -> None:
    calm, wild = Jumps(), Jumps()
    assert not any(calm.step(0.2, 16) for _ in range(10))
    assert calm.step(4.0, 16)
    assert not any(wild.step(1.4, 16) for _ in range(10))
    assert not wild.step(4.0, 16)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"pixel_size_nm": 0.03}, "pixel_size_nm"),
        ({"rotation_deg": 30.0}, "rotation_deg"),
        ({"dwell_us": 16.0}, "dwell_us"),
    ],
)
def test_other_scan_settings_are_another_segment(changed: dict, name: str) -> None:
    values = {"pixel_size_nm": 0.02, "dwell_us": 8.0, "rotation_deg": 0.0} | changed
    before, now = ScanSetting.of(frame()), ScanSetting.of(frame(scan=Calibration(**values)))
    assert list(before.differences(now)) == [name]


def test_gain_and_channel_count_and_rounding_does_not() -> None:
    before = ScanSetting.of(frame(stream="a", meta={"detector_gain": 1.0}))
    now = ScanSetting.of(frame(stream="b", meta={"detector_gain": 2.0}))
    assert set(before.differences(now)) == {"stream", "gain"}
    rounded = Calibration(pixel_size_nm=0.020001, dwell_us=8.0, rotation_deg=0.0)
    assert ScanSetting.of(frame()).differences(ScanSetting.of(frame(scan=rounded))) == {}


def test_dose_in_doubt_goes_to_the_area_that_it_fell_on() -> None:
    meter = DoseMeter()
    for index in range(4):
        meter.add(frame(index))
    per_frame = meter.total / 4
    meter.mark()
    meter.add(frame(4))
    other = meter.split()
    assert meter.total == pytest.approx(3 * per_frame)
    assert other.total == pytest.approx(2 * per_frame)
    other.add(frame(5))
    meter.merge(other)
    assert meter.total == pytest.approx(6 * per_frame)


def test_channels_of_one_scan_count_once_over_areas_too() -> None:
    meter = DoseMeter()
    for channel in ("a", "b"):
        meter.add(frame(stream=channel, scan_id="1"))
    meter.mark()
    other = meter.split()
    other.add(frame(stream="b", scan_id="1"))
    assert meter.total == 0
    assert other.total == pytest.approx(SCAN.dose_per_frame_e_per_A2)


def test_noise_alone_has_no_sharpness_that_could_change() -> None:
    rng = np.random.default_rng(0)
    sharp = Sharpness()
    for _ in range(30):
        assert sharp.step(FrameRows.of(rng.poisson(5, (128, 128)))) == ""
    assert not sharp.changing


@pytest.mark.parametrize("electrons", [0.2, 0.36, 0.37, 0.38, 0.39])
def test_an_electron_in_a_few_pixels_is_no_change_of_focus(electrons: float) -> None:
    rng, optics = np.random.default_rng(3), Sharpness()
    row = np.arange(512)
    columns = (1 + np.cos(row / 4)[None, :] * np.cos(row / 4)[:, None]) ** 3
    columns *= electrons / columns.mean()
    for _ in range(40):
        assert optics.step(FrameRows.of(rng.poisson(columns))) == ""
        assert optics.value > 0


def test_a_stream_that_never_rests_is_watched_in_the_end() -> None:
    rng = np.random.default_rng(1)
    pattern = np.sin(np.arange(128) / 3)[None] * np.ones((128, 1))
    sharp, frozen = Sharpness(), []
    for index in range(120):
        contrast = 1.0 + 0.5 * (index % 2)
        frame = 10 + contrast * pattern + rng.normal(0, 0.1, pattern.shape)
        sharp.step(FrameRows.of(frame))
        frozen.append(sharp.changing)
    assert frozen[5]
    assert not any(frozen[60:])
