"""Swift, engines and subscribers that end with their tests."""

import os

import pytest

from livedetect.commands.nion_environment import nion_python
from livedetect.errors import MissingExtraError
from tests.nionswift.rig import QUIET, Engine, Subscriber, Swift


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


@pytest.fixture(scope="module")
def shared_swift(start_swift):
    return start_swift()


@pytest.fixture
def swift(shared_swift):
    yield shared_swift
    shared_swift.rest()


@pytest.fixture
def subscribe():
    made = []

    def follow(address):
        made.append(Subscriber(address))
        return made[-1]

    yield follow
    for subscriber in made:
        subscriber.close()


@pytest.fixture
def run_engine(tmp_path):
    made = []

    def run(source, results, **settings):
        made.append(Engine(tmp_path, source, results, **settings))
        return made[-1]

    yield run
    for engine in made:
        engine.close()
