"""Keys, menu, commands: one list of actions for all of them."""

from types import SimpleNamespace

import npe2
import pytest

from livedetect.viewer.actions import ACTIONS
from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from qtpy.QtWidgets import QMenu

    from livedetect.viewer.help_overlay import HelpOverlay
    from livedetect.viewer.live_widget import LiveWidget


def test_every_action_has_a_key_of_its_own_and_a_command():
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)
    manifest = npe2.PluginManifest.from_distribution("livedetect")
    commands = {command.id for command in manifest.contributions.commands}
    within = {"whole", "help"}  # of use in the window only
    assert {
        f"livedetect.{action.name}" for action in ACTIONS if action.name not in within
    } <= commands


@pytest.fixture
def widget(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    made = LiveWidget(viewer, "tcp://127.0.0.1:1")
    viewer.window.add_dock_widget(made, name="Live defects", area="right")
    return viewer, made


def test_without_an_engine_every_action_says_so_or_does_nothing(widget, monkeypatch):
    _, made = widget
    monkeypatch.setattr(made, "choose_export", lambda: None)
    for action in ACTIONS:
        made.perform(action.name)
        made.pull()
    made.perform("baseline")
    made.pull()
    assert "no engine answers" in made.texts()["complaint"]
    made.perform("dismiss")
    made.pull()
    assert "choose a marker first" in made.texts()["complaint"]


def drag(made, *places):
    """What napari tells of a drag over `places` (y, x)."""
    kinds = ["mouse_press", *["mouse_move"] * (len(places) - 1), "mouse_release"]
    event = SimpleNamespace(type="", position=places[0])
    following = None
    for kind, place in zip(kinds, [*places, places[-1]], strict=True):
        event.type, event.position = kind, place
        following = following or made._clicked(None, event)
        next(following, None)


def test_a_dragged_rectangle_becomes_the_region_of_interest(widget, monkeypatch):
    viewer, made = widget
    sent = []
    monkeypatch.setattr(made.session, "command", lambda name, **args: sent.append((name, args)))
    made.perform("region")
    assert not viewer.scene.camera.mouse_pan
    drag(made, (40.2, 80.7), (20.0, 30.0), (10.4, 20.2))
    assert sent == [("roi", {"rectangle": [20, 10, 81, 41]})]
    assert viewer.scene.camera.mouse_pan
    assert len(viewer.layers["region of interest"].data) == 1
    drag(made, (0.0, 0.0), (50.0, 50.0))  # the next drag moves the image again
    assert len(sent) == 1
    made.perform("no_region")
    assert sent[1:] == [("roi", {"rectangle": None})]
    assert "region of interest" not in viewer.layers


def test_menu_lists_the_actions_with_their_keys(widget):
    _, made = widget
    [menu] = made.window().menuBar().findChildren(QMenu, "livedetect-menu")
    texts = [entry.text() for entry in menu.actions()]
    assert texts[0] == "Freeze or resume the view\tF"
    assert len(texts) == len(ACTIONS)


WISHED = (
    *("freeze", "start_warm_up", "baseline", "region", "no_region", "accept", "dismiss"),
    *("next_defect", "previous_defect", "mute", "export", "alarm", "return", "phases", "stop"),
)
"""What an operator does at the column."""


def test_what_an_operator_does_has_key_menu_help_and_a_place_in_the_palette(widget):
    viewer, made = widget
    bound = {str(key).replace("+", "-") for key in viewer.keymap}
    [menu] = made.window().menuBar().findChildren(QMenu, "livedetect-menu")
    entries = [entry.text() for entry in menu.actions()]
    shown = HelpOverlay(made.window(), ACTIONS).text()
    manifest = npe2.PluginManifest.from_distribution("livedetect")
    palette = [entry.command for entry in manifest.contributions.menus["livedetect_live"]]
    known = {action.name: action for action in ACTIONS}
    for name in WISHED:
        action = known[name]
        assert action.key in bound
        assert f"{action.title}\t{action.key}" in entries
        assert f"<b>{action.key}</b></td><td>{action.title}</td>" in shown
        assert f"livedetect.{name}" in palette


def test_keys_are_bound_to_the_viewer(widget):
    viewer, made = widget
    done = []
    made.perform = done.append
    bound = {str(key): action for key, action in viewer.keymap.items()}
    assert {"F", "N", "P", "A", "D", "Shift+R"} <= bound.keys()
