import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from livedetect.errors import SettingsError
from livedetect.stream.registry import list_sources, open_simulator, open_source
from livedetect.types import Frame
from livedetect_simulators.simulation import Simulation


def test_the_scheme_opens_it():
    with open_source("sim:mos2?size=64&frames=5&seed=1") as source:
        assert source.info.frame_count == 5
        assert not source.info.live
        frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert all(isinstance(frame, Frame) for frame in frames)
    same = Simulation("mos2?size=64&frames=5&seed=1").frame(4).frame
    assert np.array_equal(frames[4].data, same.data)


@pytest.mark.parametrize("spec", ["mos2?sise=64", "wood", "mos2?size=1"])
def test_a_wrong_spec_is_a_settings_error(spec):
    with pytest.raises(SettingsError):
        open_source(f"sim:{spec}")
    with pytest.raises(SettingsError):
        open_simulator(spec)


def test_the_simulator_tells_frames_and_truth():
    simulator = open_simulator("mos2?size=64&frames=3")
    assert [shown.frame.index for shown in simulator] == [0, 1, 2]
    assert simulator.meta["frames"] == 3


def test_frames_come_at_the_rate_asked_for():
    with open_source("sim:mos2?size=64&frames=8&fps=20") as source:
        assert source.info.live
        times = [time.monotonic() for _ in source]
    gaps = [after - before for before, after in pairwise(times)]
    assert times[-1] - times[0] >= 7 / 20 - 0.01
    assert min(gaps) > 0.02


def test_stopping_does_not_wait_for_the_next_frame():
    stop = threading.Event()
    source = open_source("sim:mos2?size=64&frames=8&fps=0.05", stop=stop)
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    assert len(list(source)) == 1
    assert time.monotonic() - begun < 5


def test_the_options_are_listed():
    described = {source.scheme: source for source in list_sources()}["sim"]
    assert not described.problem
    assert {"seed", "damage", "detected_e_per_px", "fps"} <= set(described.options)
