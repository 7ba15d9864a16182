"""A beam counts as off only where the column says so; run by Swift's own Python."""

import json
import subprocess

import pytest

PROGRAM = """
import json, sys
from nionswift_plugin.livedetect_bridge.column import Column
from nionswift_plugin.livedetect_bridge.settings import BridgeSettings

sets, confirms, reads, off = json.loads(sys.argv[1])

class Blanker:
    def SetVal(self, name, value):
        return sets
    def SetValAndConfirm(self, name, value, tolerance, timeout_ms):
        if confirms is None:
            raise NotImplementedError
        return confirms
    def TryGetVal(self, name):
        return (reads is not None, reads)

settings = BridgeSettings(blank_timeout_ms=50, blanked_value=off)
print(Column(settings, find=lambda: Blanker()).blank().confirmed)
"""


@pytest.mark.parametrize(
    ("sets", "confirms", "reads", "off", "confirmed"),
    [
        (True, True, None, 1.0, True),
        (True, None, 1.0, 1.0, True),
        (True, None, None, 1.0, False),
        (True, False, None, 1.0, False),
        (True, True, 0.0, 1.0, False),
        (False, False, 0.0, 1.0, False),
        # a control that is 0 with the beam off
        (True, None, 0.0, 0.0, True),
        (True, True, 1.0, 0.0, False),
    ],
)
def test_only_the_column_can_say_that_the_beam_is_off(
    swift_python, sets, confirms, reads, off, confirmed
):
    done = subprocess.run(
        [swift_python, "-c", PROGRAM, json.dumps([sets, confirms, reads, off])],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == str(confirmed)
