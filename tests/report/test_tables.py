import pytest

from livedetect.report.notes import RunNotes
from livedetect.report.tables import notice_table, quantity, setting_pairs
from livedetect.types import NoticeEvent


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "–"),
        (0.0, 3, "0 nm"),
        (0.0398, 3, "0.0398 nm"),
        (123456.0, 3, "1.23×10⁵ nm"),
        (15678.0, 3, "15700 nm"),
        (-2.5e-9, 2, "−2.5×10⁻⁹ nm"),
        (6621, 6, "6621 nm"),
    ],
)
def test_quantities_have_units_and_powers(value, digits, text):
    assert quantity(value, "nm", digits) == text


def test_notices_show_their_reason_first():
    values = {"reason": "invalid", "message": "all NaN", "count": 2, "nothing": None}
    event = NoticeEvent(event="frame_rejected", frame=4, time_s=1.0, values=values)
    [row] = notice_table(RunNotes(notices=[event])).rows
    assert row == ["4", "1", "frame rejected", "all NaN; reason invalid, count 2"]


def test_settings_are_listed_in_dotted_form():
    settings = {"nu": 0.02, "alarm": {"rule": "count"}, "roi": None}
    pairs = setting_pairs(RunNotes(started={"settings": settings}))
    assert pairs == [("nu", "0.02"), ("alarm.rule", "count"), ("roi", "–")]
