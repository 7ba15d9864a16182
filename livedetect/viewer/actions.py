"""What the operator can do, each with its key: menus, keys, buttons and help share this list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done."""

    name: str
    """By which `LiveWidget.perform` knows it; the npe2 command is ``livedetect.NAME``."""
    key: str
    """In napari's notation."""
    title: str
    """In the menu and the help."""


ACTIONS = (
    Action("freeze", "F", "Freeze or resume the view"),
    Action("follow", "G", "Go with the drift, or keep the frame still"),
    Action("phases", "O", "Outlines of the phases or domains in view: show or hide"),
    Action("whole", "Home", "Show the whole frame"),
    Action("next_defect", "N", "Next event"),
    Action("previous_defect", "P", "Previous event"),
    Action("accept", "A", "Accept the chosen marker"),
    Action("dismiss", "D", "Dismiss the chosen marker"),
    Action("start_warm_up", "W", "Start the warm-up now: learn the crystal again"),
    Action("baseline", "B", "Set the baseline here: learn again, count new ones from now"),
    Action("return", "T", "Return to the earlier area that is on offer"),
    Action("region", "R", "Choose a region of interest: drag a rectangle"),
    Action("no_region", "Shift-R", "Watch the whole frame again"),
    Action("alarm", "L", "Choose the alarm rule, try it on the run so far"),
    Action("mute", "M", "Mute or unmute the alarm's sound"),
    Action("export", "E", "Export: CSV, JSON, PNG, markers for HyperSpy"),
    Action("stop", "Ctrl-Alt-S", "Stop the run"),
    Action("help", "?", "Show or hide the keys"),
)
