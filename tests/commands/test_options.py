import inspect
import logging

import pytest

from livedetect.commands.options import RunOptions, with_run_options
from livedetect.errors import SettingsError


def test_a_command_gets_an_option_for_each_field():
    @with_run_options
    def command(source: str, options: RunOptions, speed: str = "max") -> None:
        seen.append((source, options, speed))

    seen = []
    names = list(inspect.signature(command).parameters)
    assert names[:2] == ["source", "speed"]
    assert "options" not in names
    assert "idle_timeout" in names
    shared = dict.fromkeys(names[2:]) | {"frames": 3}
    command(source="x", speed="1x", **shared)
    assert seen == [("x", RunOptions(frames=3), "1x")]


def test_set_wins_over_the_file(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("warm_up_frames = 9\nnu = 0.05\n", encoding="utf-8")
    settings = RunOptions(config=config, set=["warm_up_frames=7"]).settings()
    assert (settings.warm_up_frames, settings.nu) == (7, 0.05)


def test_a_wrong_key_in_the_file_is_named(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("warm_up = 9\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="warm_up_frames"):
        RunOptions(config=config).settings()


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)


def test_the_log_is_bounded(tmp_path, root_logger, monkeypatch):
    monkeypatch.setattr("livedetect.commands.options.LOG_BYTES_MAX", 2000)
    RunOptions(log=tmp_path / "run.log").start_log()
    for number in range(200):
        root_logger.warning("line %d", number)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["run.log", "run.log.1", "run.log.2"]
    assert "line 199" in (tmp_path / "run.log").read_text(encoding="utf-8")
