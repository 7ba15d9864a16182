import dataclasses
import json

import numpy as np
import pytest

from livedetect.errors import CalibrationError, LivedetectError
from livedetect.types import (
    Calibration,
    DefectEvent,
    Event,
    Frame,
    NoticeEvent,
    Phase,
    RegionEvent,
)


def test_frame_from_array_copies_and_locks_its_pixels():
    array = np.arange(12, dtype="<u2").reshape(3, 4).T
    frame = Frame.from_array(array, index=7, time_s=1.5, pixel_size_nm=0.02)
    array[0, 0] = 99
    assert frame.data[0, 0] == 0
    assert frame.data.shape == (4, 3)
    assert frame.data.dtype == np.dtype("<u2")
    assert frame.data.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        frame.data[0, 0] = 1
    assert (frame.index, frame.time_s, frame.calibration.pixel_size_nm) == (7, 1.5, 0.02)


def test_pixel_size_wins_over_the_calibration_and_keeps_the_rest():
    calibration = Calibration(pixel_size_nm=1.0, dwell_us=8.0)
    frame = Frame.from_array(np.zeros((2, 2)), calibration=calibration, pixel_size_nm=0.5)
    assert frame.calibration == Calibration(pixel_size_nm=0.5, dwell_us=8.0)


@pytest.mark.parametrize("size", [0, -0.02, float("nan"), float("inf"), "0.02", True, [0.02]])
def test_a_pixel_that_cannot_be_is_refused(size):
    with pytest.raises(CalibrationError, match=r"pixel_size_nm = .* number above 0") as caught:
        Frame.from_array(np.zeros((2, 2)), pixel_size_nm=size)
    assert isinstance(caught.value, (LivedetectError, ValueError))
    with pytest.raises(CalibrationError, match="or None where it is not known"):
        Calibration(pixel_size_nm=size)


@pytest.mark.parametrize("name", ["dwell_us", "current_pA", "high_tension_kv"])
def test_a_scan_that_cannot_be_is_refused(name):
    assert getattr(Calibration(**{name: 0}), name) == 0  # the beam may be blanked
    for value in (-1, float("nan"), "8"):
        with pytest.raises(CalibrationError, match=rf"{name} = .*at least 0"):
            Calibration(**{name: value})


@pytest.mark.parametrize("aspect", [0, -1, float("nan"), None])
def test_a_pixel_has_a_height(aspect):
    with pytest.raises(CalibrationError, match=r"pixel_aspect = .*above 0 is needed$"):
        Calibration(pixel_aspect=aspect)


@pytest.mark.parametrize("size", [1, np.float32(0.5), np.int64(2)])
def test_numbers_of_numpy_are_numbers(size):
    frame = Frame.from_array(np.zeros((2, 2)), pixel_size_nm=size)
    assert type(frame.calibration.pixel_size_nm) is float
    assert frame.calibration.pixel_size_nm == size


def test_a_frame_without_calibration_is_a_frame():
    assert Frame.from_array(np.zeros((2, 2))).calibration == Calibration(pixel_size_nm=None)


def test_values_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Calibration().pixel_size_nm = 1.0


def test_dose_of_a_scan_is_current_times_time_over_area():
    # 50 pA for 8 µs are 2497 electrons; a pixel of 8 nm / 512 has 0.0244 Å²
    calibration = Calibration(pixel_size_nm=8 / 512, dwell_us=8.0, current_pA=50.0)
    assert calibration.dose_per_frame_e_per_A2 == pytest.approx(1.02e5, rel=0.01)
    tall = dataclasses.replace(calibration, pixel_aspect=2.0)
    assert tall.dose_per_frame_e_per_A2 == pytest.approx(0.51e5, rel=0.01)


@pytest.mark.parametrize("missing", ["pixel_size_nm", "dwell_us", "current_pA"])
def test_a_dose_is_never_guessed(missing):
    calibration = Calibration(pixel_size_nm=0.02, dwell_us=8.0, current_pA=50.0)
    assert dataclasses.replace(calibration, **{missing: None}).dose_per_frame_e_per_A2 is None


def test_phases_are_the_words_of_the_contract():
    assert [str(phase) for phase in Phase] == ["waiting", "warming_up", "live", "drifted", "ended"]


def test_every_event_carries_the_common_keys():
    common = {"event", "frame", "time_s", "area_id", "segment_id", "dose_e_per_A2"}
    assert set(Event(event="x", frame=0, time_s=0.0).as_dict()) == common


def test_defect_event_has_the_keys_of_the_contract():
    event = DefectEvent(
        event="defect_confirmed",
        frame=3,
        time_s=0.1,
        defect_id=1,
        first_seen_frame=2,
        x_px=1.0,
        y_px=2.0,
    )
    promised = "defect_id first_seen_frame x_px y_px x_nm y_nm score p_value window_frames kind "
    promised += "confidence sublattice region_id during_warm_up"
    assert set(promised.split()) <= set(event.as_dict())


def test_region_event_writes_its_outline_as_lists():
    outline = ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0))
    event = RegionEvent(
        event="region_confirmed", frame=1, time_s=0.0, region_id=0, kind="hole", polygon_px=outline
    )
    assert event.as_dict()["polygon_px"] == [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]


def test_notice_values_become_plain_finite_json():
    values = {
        "nan": float("nan"),
        "infinite": np.float64("inf"),
        "count": np.int64(3),
        "array": np.array([1.0, np.nan]),
        "tiny": 1.23456789e-12,
        "flag": np.True_,
        "text": "gap",
        "inner": {"a": np.float32(0.5)},
    }
    line = NoticeEvent(event="gap", frame=0, time_s=0.0, values=values).as_dict()
    text = json.dumps(line, allow_nan=False)
    back = json.loads(text)
    assert back["nan"] is None
    assert back["infinite"] is None
    assert back["count"] == 3
    assert back["array"] == [1.0, None]
    assert back["tiny"] == pytest.approx(1.23457e-12)
    assert back["flag"] is True
    assert back["inner"] == {"a": 0.5}
    assert "values" not in back
