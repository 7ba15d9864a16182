"""The loop closed: a crystal under Swift's beam, the engine beside it, markers and blanking."""

import threading
import time

import numpy as np
import pytest

from livedetect.stream.client import ResultsClient
from tests.nionswift.rig import Engine, until

LATTICE = (
    "mos2?detected_e_per_px=10&dwell_us=1&seed=3&drift_px=0.2&walk_px=0"
    "&damage_from=12&damage=100&kinds=column_vacancy,metal_vacancy&max_defects=60"
)

COLD_S = 300
"""An engine may have to compile its numerics first, on a busy computer."""


class Loop:
    """Swift scanning, a live engine on its frames, and a client that gives orders to it."""

    def __init__(self, swift, directory):
        self.swift, self.directory = swift, directory
        self.endpoint = swift.stream()
        self.engine = self.start_engine()
        self.client = ResultsClient(swift.results)

    def start_engine(self):
        engine = Engine(self.directory, self.endpoint, self.swift.results)
        until(lambda: self.swift.status()["listeners"], COLD_S)
        self.swift.scan(size=256)
        until(lambda: self.swift.status()["engine"] == "live", COLD_S)
        return engine

    def raise_alarm(self, action, limit=1):
        """Let the engine raise an alarm at its next frame that holds `limit` defects."""
        self.client.request("set_alarm", rule="count", limit=float(limit), action=action)

    def acted(self, text, since=0):
        """What the bridge did or told since then."""
        return until(lambda: [line for line in self.swift.actions()[since:] if text in line], 120)

    def close(self):
        self.client.close()
        self.engine.close()


@pytest.fixture(scope="module")
def shared_loop(start_swift, tmp_path_factory):
    loop = Loop(start_swift(LATTICE), tmp_path_factory.mktemp("loop"))
    yield loop
    loop.close()


@pytest.fixture
def loop(shared_loop):
    swift = shared_loop.swift
    if not swift.scanning():
        swift.scan(size=256)
    yield shared_loop
    shared_loop.client.request("set_alarm", rule="none")
    swift.arm(armed=False)
    swift.break_blanker(broken=False)
    swift.show_window()
    swift.column(name="C_Blank", value=0.0)
    swift.change(action="as_asked", markers=True, blank_timeout_ms=1000)


def far_from_truth(swift):
    """Distances in nm of all rings from the nearest true defect, in the picture they belong to.

    Streaming began before the scan, so that frame and scan have the same number. In the dark the
    rings stay where they were seen last.
    """
    rings = swift.rings()
    truth = swift.truth(scan=min(rings["frame"], swift.truth()["lit"]))
    true = np.array([(d["x_px"], d["y_px"]) for d in truth["defects"]])
    centres = np.array(rings["centres"])
    gaps = np.hypot(*(centres[:, None] - true[None]).transpose(2, 0, 1)).min(axis=1)
    return gaps.max() * truth["pixel_nm"]


def scanned_on(swift, scans):
    """The truth after so many more scans have begun."""
    begun = swift.truth()["scan"]
    return until(lambda: (truth := swift.truth())["scan"] >= begun + scans and truth)


def test_damage_is_marked_in_place_and_the_beam_goes_off(loop):
    swift, engine = loop.swift, loop.engine
    swift.own_graphic()
    swift.arm()
    loop.raise_alarm("blank", limit=3)
    loop.acted("beam blanked, confirmed")
    assert swift.blanked() == 1
    assert swift.status()["duty"] == "TRIPPED"
    until(lambda: len((swift.rings() or {}).get("centres", [])) >= 3)
    # the rings follow the drift; what has not been drawn yet is drawn within a moment
    until(lambda: far_from_truth(swift) <= 0.1)

    harmed = scanned_on(swift, 2)  # the scan during which the beam went off is over
    later = scanned_on(swift, 4)
    assert swift.blanked() == 1
    assert later["fluence"] == harmed["fluence"]
    assert len(later["defects"]) == len(harmed["defects"])
    assert all(defect["birth"] <= harmed["lit"] + 1 for defect in later["defects"])

    # both sides wrote it down
    until(lambda: [note for note in engine.notes() if "beam blanked" in note])
    [alarm] = engine.events("alarm")
    assert alarm["action"] == "blank"

    # the operator switches the beam on: armed again, and never switched on by us
    assert swift.blanked() == 1
    swift.column(name="C_Blank", value=0.0)
    until(lambda: swift.status()["duty"] == "ARMED")
    until(lambda: [note for note in engine.notes() if "armed again" in note])
    time.sleep(0.5)
    assert swift.blanked() == 0, "the same alarm is not acted on twice"


def test_rings_go_on_request_and_no_other_graphics(loop):
    swift = loop.swift
    until(lambda: swift.rings()["centres"])
    others = swift.rings()["others"]
    swift.own_graphic()
    swift.change(markers=False)
    until(lambda: not swift.rings()["centres"])
    assert swift.rings()["others"] == others + 1
    swift.change(markers=True)
    until(lambda: swift.rings()["centres"])


def test_without_arming_an_alarm_is_only_told(loop):
    loop.raise_alarm("blank")
    loop.acted("not armed")
    assert loop.swift.blanked() == 0
    assert loop.swift.scanning()
    until(lambda: [note for note in loop.engine.notes() if "not armed" in note])


def test_the_scan_is_stopped_after_the_beam_is_off(loop):
    since = len(loop.swift.actions())
    loop.swift.arm()
    loop.raise_alarm("stop_scan")
    loop.acted("scan stopped", since)
    until(lambda: not loop.swift.scanning())
    order = [line for line in loop.swift.actions()[since:] if "beam" in line]
    assert "confirmed" in order[0]
    assert "scan stopped" in order[1]
    assert loop.swift.blanked() == 1


def test_without_a_window_the_beam_goes_off_and_the_scan_that_goes_on_is_told(loop):
    since = len(loop.swift.actions())
    loop.swift.show_window(shown=False)
    loop.swift.arm()
    loop.raise_alarm("stop_scan")
    loop.acted("beam blanked, confirmed", since)
    loop.acted("not stopped: Swift has no window", since)
    assert loop.swift.blanked() == 1
    assert loop.swift.scanning()
    # with its window back it draws as before, and the next alarm stops the scan
    loop.swift.show_window()
    loop.swift.column(name="C_Blank", value=0.0)
    until(lambda: loop.swift.status()["duty"] == "ARMED")
    until(lambda: loop.swift.rings()["centres"])
    loop.client.request("set_alarm", rule="none")
    loop.raise_alarm("stop_scan")
    loop.acted("scan stopped", since)
    until(lambda: not loop.swift.scanning())


def test_without_confirmation_the_scan_goes_on_and_the_alarm_is_loud(loop):
    since = len(loop.swift.actions())
    loop.swift.change(blank_timeout_ms=100, action="blank_and_stop")
    loop.swift.break_blanker()
    loop.swift.arm()
    loop.raise_alarm("none")
    loop.acted("BEAM MAY BE ON", since)
    loop.acted("the scan goes on", since)
    time.sleep(0.3)
    assert loop.swift.scanning()
    assert loop.swift.status()["duty"] == "ARMED"


def test_a_busy_window_does_not_keep_the_beam_on(loop):
    loop.swift.arm()
    orders = threading.Timer(0.5, loop.raise_alarm, ["blank"])
    orders.start()
    found = loop.swift.block(seconds=3.0)
    orders.join()
    assert found["blanked"] == 1
    assert any("confirmed" in line for line in found["done"])


def test_a_frozen_and_a_killed_engine_leave_the_microscope_alone(loop):
    swift = loop.swift
    since = len(swift.actions())
    swift.arm()
    before = swift.status()["counts"]
    loop.engine.freeze()
    until(lambda: swift.status()["counts"]["sent"] >= before["sent"] + 8)
    assert swift.status()["counts"].get("dropped", 0) == before.get("dropped", 0)
    until(lambda: swift.status()["engine"] == "", 60)
    loop.acted("NOTHING WATCHES", since)
    loop.engine.thaw()
    until(lambda: swift.status()["engine"], 60)
    loop.engine.kill()
    until(lambda: swift.status()["engine"] == "", 60)
    sent = swift.status()["counts"]["sent"]
    until(lambda: swift.status()["counts"]["sent"] >= sent + 4)
    loop.engine = loop.start_engine()
    until(lambda: loop.client.wait_until_attached(1.0))
