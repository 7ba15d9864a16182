"""Swift, engines and subscribers that end with their tests."""

import os
from pathlib import Path

import pytest

from livedetect.commands.nion_environment import nion_python
from livedetect.errors import MissingExtraError
from tests.nionswift.rig import QUIET, Subscriber, Swift

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """The first test may have to install Swift."""
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def swift_python():
    try:
        return nion_python(lambda _: None)
    except MissingExtraError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Nion Swift: {error}")


@pytest.fixture(scope="session")
def start_swift(swift_python):
    """Swifts that end with the tests, whatever happens: one that is left would hang."""
    started = []

    def start(lattice=QUIET, **bridge):
        started.append(Swift(swift_python, lattice, **bridge))
        return started[-1]

    yield start
    for swift in started:
        if swift.process.poll() is None:
            swift.close()


@pytest.fixture(scope="session")
def shared_swift(start_swift):
    """One Swift for all tests that need no damage; the last one of `test_swift` ends it."""
    return start_swift()


@pytest.fixture
def swift(shared_swift):
    yield shared_swift
    shared_swift.rest()


@pytest.fixture
def subscribe():
    made = []

    def follow(address, **options):
        made.append(Subscriber(address, **options))
        return made[-1]

    yield follow
    for subscriber in made:
        subscriber.close()
