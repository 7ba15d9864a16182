"""Which tests run one after the other when several processes share the work."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays with one process; all of Nion Swift too, which is installed once."""
    for item in items:
        room = item.path.relative_to(TESTS).parts[0]
        together = room if room == "nionswift" else str(item.path.relative_to(TESTS))
        item.add_marker(pytest.mark.xdist_group(together))
