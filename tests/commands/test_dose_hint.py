import numpy as np
import pytest

from livedetect.commands.dose_hint import DoseHint
from livedetect.types import Calibration, Frame, Gap

KNOWN = {"pixel_size_nm": 0.02, "dwell_us": 2.0, "current_pA": 50.0}


def hint(*calibrations):
    told = DoseHint()
    for number, calibration in enumerate(calibrations):
        array = np.zeros((4, 4))
        told.on_frame(Frame.from_array(array, index=number, calibration=calibration))
    return told.line


def test_with_a_dose_there_is_nothing_to_say():
    assert hint(Calibration(**KNOWN)) == ""


@pytest.mark.parametrize("missing", KNOWN)
def test_what_is_missing_is_named_with_its_setting(missing):
    line = hint(Calibration(**{key: value for key, value in KNOWN.items() if key != missing}))
    assert line == f"No dose, as the source does not say {missing}: --set {missing}=..."


def test_everything_missing():
    line = hint(Calibration())
    assert "pixel_size_nm, dwell_us and current_pA" in line
    assert line.count("--set") == 3


def test_the_latest_frame_counts():
    assert hint(Calibration(), Calibration(**KNOWN)) == ""


def test_without_frames_nothing_is_known():
    told = DoseHint()
    told.on_frame(Gap(first_missing=0, missing_frames=3))
    assert told.line == ""
