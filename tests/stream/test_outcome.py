import pytest

from livedetect.stream.ledger import Ledger
from livedetect.stream.outcome import last_word
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
        (["warm_up"] * 3, "Give more frames", "turned away"),
        (["suspect"] * 3, "3 frames were turned away, see the reasons above", "Give more"),
        (["warm_up", "suspect"], "turned away", "No frame"),
        ([], "No frame came", "warm-up"),
    ],
)
def test_a_run_that_scored_nothing_says_why(fates, said, unsaid):
    words = last_word("source_ended", ledger_of(*fates), 12)
    assert said in words
    assert unsaid not in words


def test_a_run_that_scored_needs_no_word():
    assert last_word("source_ended", ledger_of("warm_up", "scored"), 1) == ""
