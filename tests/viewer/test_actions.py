"""Keys, menu, commands: one list of actions for all of them."""

import npe2
import pytest

from livedetect.viewer.actions import ACTIONS
from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from qtpy.QtWidgets import QMenu

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


def test_menu_lists_the_actions_with_their_keys(widget):
    _, made = widget
    [menu] = made.window().menuBar().findChildren(QMenu, "livedetect-menu")
    texts = [entry.text() for entry in menu.actions()]
    assert texts[0] == "Freeze or resume the view\tF"
    assert len(texts) == len(ACTIONS)


def test_keys_are_bound_to_the_viewer(widget):
    viewer, made = widget
    done = []
    made.perform = done.append
    bound = {str(key): action for key, action in viewer.keymap.items()}
    assert {"F", "N", "P", "A", "D", "Shift+R"} <= bound.keys()
