import numpy as np
import pytest

from livedetect.detect.admit import Admission, clipped_fraction
from livedetect.detect.dose import DoseMeter
from livedetect.types import Calibration, Frame, Gap, Rejection
from tests.detect.streams import frames

RNG = np.random.default_rng(0)
GOOD = RNG.poisson(20, (128, 128)).astype(np.uint16)


def changed(**parts: object) -> np.ndarray:
    data = GOOD.astype(np.float32)
    for rows, value in parts.values():  # type: ignore[misc]
        data[rows] = value
    return data


BAD = {
    "three dimensions": (np.zeros((3, 128, 128)), "invalid", "two dimensions"),
    "colour": (np.zeros((128, 128, 3), np.uint8), "invalid", "two dimensions"),
    "complex": (GOOD.astype(complex), "invalid", "real numbers"),
    "tiny": (GOOD[:20, :20], "invalid", "too small"),
    "nan": (changed(a=(5, np.nan)), "invalid", "not finite"),
    "beyond single precision": (GOOD.astype(float) * 1e300, "invalid", "scale them down"),
    "constant": (np.full((128, 128), 7.0), "suspect", "all pixels"),
    "half scanned": (changed(a=(slice(60, None), 0)), "suspect", "not finished"),
    "saturated": (np.minimum(GOOD * 20, 255).astype(np.uint8), "suspect", "saturated"),
    "blanked": (changed(a=(slice(40, 70), RNG.random((30, 128)))), "suspect", "blanked"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frames_are_named(name: str) -> None:
    data, reason, words = BAD[name]
    objection = Admission().objection(Frame.from_array(data))
    assert objection is not None
    assert objection.reason == reason
    assert words in objection.message


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_good_frames_pass_whatever_their_type(dtype: type) -> None:
    assert Admission().objection(Frame.from_array(GOOD.astype(dtype))) is None


HEALTHY = ["graphene?detected_e_per_px=0.5", "zro2?bits=8&gain=3", "mos2?invert=1"]


@pytest.mark.parametrize("spec", HEALTHY)
def test_no_frame_of_a_healthy_stream_is_refused(spec: str) -> None:
    admission = Admission()
    said = [admission.objection(frame) for frame in frames(f"{spec}&size=256&frames=20")]
    assert said == [None] * 20


def test_a_frozen_live_view_is_not_new_data() -> None:
    admission = Admission()
    frame = Frame.from_array(GOOD)
    assert admission.objection(frame) is None
    objection = admission.objection(frame)
    assert objection is not None
    assert "repeats" in objection.message


def test_old_rows_below_new_ones_are_an_aborted_scan() -> None:
    admission = Admission()
    torn = RNG.poisson(20, (128, 128)).astype(np.uint16)
    torn[90:] = GOOD[90:]
    assert admission.objection(Frame.from_array(GOOD)) is None
    objection = admission.objection(Frame.from_array(torn))
    assert objection is not None
    assert "not finished" in objection.message


def test_missing_rows_that_the_source_knows_of() -> None:
    frame = Frame(data=GOOD, index=0, valid_rows=100)
    objection = Admission().objection(frame)
    assert objection is not None
    assert objection.message == "only 100 of 128 rows were scanned"


def test_clipping_is_told_from_counting_zeros() -> None:
    analogue = RNG.normal(100, 60, (256, 256))
    assert clipped_fraction(np.maximum(analogue, 50)) > 0.1
    assert clipped_fraction(analogue) < 0.01
    assert clipped_fraction(RNG.poisson(1.0, (256, 256))) == 0


CALIBRATION = Calibration(pixel_size_nm=8 / 512, dwell_us=8.0, current_pA=50.0)


def scan(index: int, scan_id: str = "", calibration: Calibration = CALIBRATION) -> Frame:
    return Frame(data=GOOD, index=index, scan_id=scan_id, calibration=calibration)


def test_dose_of_one_frame_is_the_textbook_figure() -> None:
    meter = DoseMeter()
    meter.add(scan(0))
    assert meter.total == pytest.approx(1.0e5, rel=0.05)  # 50 pA, 512², 8 µs, 8 nm


def test_dose_counts_scans_and_not_channels_or_arrivals() -> None:
    meter, one = DoseMeter(), DoseMeter()
    one.add(scan(0))
    meter.add(Gap(first_missing=0, missing_frames=2))
    for item in (
        scan(2, "a"),
        scan(3, "a"),
        scan(4, "b"),
        Gap(first_missing=5, missing_frames=3),
        Rejection(index=8, reason="skipped"),
        Rejection(index=8, reason="duplicate"),
    ):
        meter.add(item)
    assert one.total is not None
    assert meter.total == pytest.approx(8 * one.total)


def test_a_dose_is_never_guessed() -> None:
    meter = DoseMeter()
    meter.add(scan(0, calibration=Calibration(pixel_size_nm=0.02, dwell_us=8.0)))
    meter.add(scan(1))
    assert meter.total is None
