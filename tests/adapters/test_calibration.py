import json
from dataclasses import replace

import pytest

from livedetect import Calibration, Settings
from livedetect_adapters.calibration import beside, completed, length_nm, merged, spatial

OPERATOR = Settings(pixel_size_nm=0.5, dwell_us=8, current_pA=50, high_tension_kv=100)


@pytest.mark.parametrize(
    ("value", "units", "nm"),
    [
        (2, "nm", 2),
        (2, "Å", 0.2),
        (2, "A\u030a", 0.2),
        (2, "\u212b", 0.2),
        (2, "µm", 2000),
        (2, "\u03bcm", 2000),
        (2, "um", 2000),
        (20, "pm", 0.02),
        (2e-11, "m", 0.02),
        (2, "1/nm", None),
        (2, "", None),
        (2, None, None),
        (0, "nm", None),
        (-1, "nm", None),
        (float("nan"), "nm", None),
        ("x", "nm", None),
        (1e308, "m", None),
        (None, "nm", None),
    ],
)
def test_lengths(value, units, nm):
    assert length_nm(value, units) == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize("scale", [None, 0, -1, float("nan"), float("inf"), 1e308])
def test_scales_that_cannot_be_are_not_known(scale):
    assert spatial((scale, "m"), (scale, "m")) == Calibration()


def test_an_aspect_that_cannot_be_is_taken_as_square():
    assert spatial((1e-300, "nm"), (1e300, "nm")).pixel_aspect == 1.0


def test_the_operator_fills_what_is_missing():
    calibration = completed(Calibration(), OPERATOR)
    assert calibration.pixel_size_nm == 0.5
    assert calibration.dwell_us == 8
    assert calibration.high_tension_kv == 100
    assert (calibration.current_pA, calibration.current_source) == (50, "operator")


def test_the_instrument_is_not_overruled():
    known = Calibration(pixel_size_nm=0.02, dwell_us=1, current_pA=3, current_source="instrument")
    assert completed(known, OPERATOR) == replace(known, high_tension_kv=100)


def test_nobody_knows_the_current():
    assert completed(Calibration(), Settings()).current_source == "unknown"


def test_simulated_meta_is_read(tmp_path):
    (tmp_path / "meta.json").write_text(
        json.dumps({"pixel_size_nm": 0.03, "current_pA": 20}), encoding="utf-8"
    )
    calibration = beside(tmp_path / "frames.npy")
    assert calibration.pixel_size_nm == 0.03
    assert calibration.current_source == "instrument"
    assert merged(Calibration(pixel_size_nm=0.02), calibration).pixel_size_nm == 0.02


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"pixel_size_nm": null}', '{"other": 1}'])
def test_foreign_meta_is_ignored(tmp_path, text):
    (tmp_path / "meta.json").write_text(text, encoding="utf-8")
    assert beside(tmp_path / "frames.npy") == Calibration()
