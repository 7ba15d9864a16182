"""The viewer as a program, and as a napari plugin."""

import os
import signal
import subprocess
import sys
import time

import npe2
import pytest

from livedetect.stream.publish import ResultsPublisher


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "livedetect.viewer", *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these always have a display")
@pytest.mark.parametrize(
    ("environment", "said"),
    [({}, "there is no display"), ({"DISPLAY": ":4711"}, "display :4711 does not answer")],
)
def test_without_a_display_it_says_so_and_ends(environment, said):
    done = run(**environment)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["--help-me"], ["a", "b"]])
def test_wrong_usage_is_exit_code_2(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
@pytest.mark.usefixtures("needs_display")
def test_window_attaches_and_closes_on_sigterm():
    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    program = subprocess.Popen(
        [sys.executable, "-m", "livedetect.viewer", publisher.endpoint],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert publisher.wait_for_listener(60.0)
        time.sleep(1.0)  # the window is being shown
        assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate(timeout=20)
        assert program.returncode == 0, said
        assert "Traceback" not in said
    finally:
        program.kill()
        program.communicate()
        publisher.close()


def test_plugin_manifest_is_valid_and_its_commands_can_be_imported():
    manifest = npe2.PluginManifest.from_distribution("livedetect")
    manifest.validate_imports()
    offered = manifest.contributions
    names = [widget.display_name for widget in offered.widgets]
    assert names == ["Live defects", "Recorded session"]
    commands = {command.id for command in offered.commands}
    entries = [item for items in offered.menus.values() for item in items]
    in_menus = {item.command for item in entries if hasattr(item, "command")}
    assert {item.submenu for item in entries if hasattr(item, "submenu")} == {"livedetect_live"}
    assert in_menus | {binding.command for binding in offered.keybindings} <= commands
    assert offered.readers[0].accepts_directories


def test_npe2_finds_nothing_wrong_with_the_plugin():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "livedetect"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_plugin_offers_sample_data():
    from livedetect.viewer.samples import mos2_stack

    [(stack, options, kind)] = mos2_stack()
    assert kind == "image"
    assert stack.shape == (60, 256, 256)
    low, high = options["contrast_limits"]
    assert low < stack.mean() < high


@pytest.mark.usefixtures("needs_display")
def test_plugin_widget_opens_from_the_menu(make_napari_viewer, show_until, engine):
    viewer = make_napari_viewer(show=True)
    _, endpoint = engine(frames=200)
    _, widget = viewer.window.add_plugin_dock_widget("livedetect", "Live defects")
    widget.endpoint_field.setText(endpoint)
    widget.attach()
    show_until(lambda: widget.session.images_drawn > 2)
    assert "live image" in viewer.layers
