"""``docs/faults.md`` and ``docs/nionswift.md`` name tests that are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
NAMED = re.compile(r"`(?:tests/)?((?:stream|adapters|commands|detect)/\w+\.py)(?:::(\w+)(…?))?`")
ROWS = re.compile(r"^\| (\d+) \|", re.MULTILINE)


def named():
    return NAMED.findall(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("path", "name", "more"), named())
def test_a_named_test_exists(path, name, more):
    text = (TESTS / path).read_text(encoding="utf-8")
    ending = r"\w*" if more else r"\b"
    assert not name or re.search(rf"(def|class) {name}{ending}", text)


def test_every_fault_has_its_row_and_its_test():
    page = PAGE.read_text(encoding="utf-8")
    assert [int(number) for number in ROWS.findall(page)] == list(range(1, 23))
    rows = [line for line in page.splitlines() if ROWS.match(line)]
    assert all(NAMED.search(row) for row in rows)


SWIFT_PAGE = TESTS.parent / "docs" / "nionswift.md"
IN_SWIFT = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_pitfall_of_nion_swift_has_its_row_and_its_test():
    page = SWIFT_PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if ROWS.match(line)]
    assert [int(ROWS.match(row)[1]) for row in rows] == list(range(1, 10))
    named = [found for row in rows for found in IN_SWIFT.findall(row)]
    assert len(named) >= len(rows)
    for path, name in named:
        text = (TESTS / "nionswift" / path).read_text(encoding="utf-8")
        assert re.search(rf"def {name}\b", text), name
