import pytest

from livedetect.errors import SettingsError
from livedetect.settings import Settings
from livedetect.stream.ledger import Ledger
from livedetect.stream.outcome import FEWEST_WARM_UP_FRAMES, last_word
from livedetect.types import Frame


def ledger_of(*fates):
    ledger = Ledger()
    for index, fate in enumerate(fates):
        frame = Frame.from_array([[1.0]], index=index)
        ledger.admit(frame)
        ledger.settle(frame, fate)
    return ledger


@pytest.mark.parametrize(
    ("fates", "said", "unsaid"),
    [
        (["warm_up"] * 3, "Give more frames: 4 are the fewest", "--set"),
        (["warm_up"] * 8, "--set warm_up_frames=4 leaves 4 to be judged", "turned away"),
        (["warm_up"] * 12, "no frame came after the 12 warm-up frames", "could be used"),
        (["warm_up"] * 12, "--set warm_up_frames=6 leaves 6", "turned away"),
        (["suspect"] * 3, "3 frames were turned away, see the reasons above", "Give more"),
        (["warm_up", "suspect"], "turned away", "No frame"),
        ([], "No frame came", "warm-up"),
    ],
)
def test_a_run_that_scored_nothing_says_why(fates, said, unsaid):
    words = last_word("source_ended", ledger_of(*fates), 12)
    assert said in words
    assert unsaid not in words


def test_a_silent_source_is_asked_after():
    assert "--idle-timeout" in last_word("idle_timeout", ledger_of(), 12)


def test_the_advice_can_be_followed():
    Settings(warm_up_frames=FEWEST_WARM_UP_FRAMES)
    with pytest.raises(SettingsError):
        Settings(warm_up_frames=FEWEST_WARM_UP_FRAMES - 1)


def test_a_run_that_scored_needs_no_word():
    assert last_word("source_ended", ledger_of("warm_up", "scored"), 1) == ""
