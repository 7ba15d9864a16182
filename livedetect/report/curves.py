"""Defects against frame and dose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from livedetect.report.notes import Point, RunNotes
from livedetect.report.pictures import png

INK, FORMED, MARKED = "#1f2328", "#d55e00", "#0072b2"


def curves_png(notes: RunNotes) -> bytes:
    """Defects against frame and, where it is known, against dose (else exposure)."""
    points = list(notes.series)
    abscissa, label = _fluence(points)
    count = 2 if abscissa else 1
    figure = Figure(figsize=(5.2, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(count, 1, sharey=True, squeeze=False)[:, 0]
    _draw_curves(panels[0], [float(point.frame) for point in points], points)
    _shade_warm_up(panels[0], notes)
    panels[0].set_xlabel("frame")
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    if abscissa:
        _draw_curves(panels[1], abscissa, points)
        panels[1].set_xlabel(label)
    return png(figure, 200)


def _fluence(points: Sequence[Point]) -> tuple[list[float], str]:
    dose = [p.dose_e_per_A2 for p in points if p.dose_e_per_A2 is not None]
    if points and len(dose) == len(points):
        return dose, "dose / (e/Å²)"
    exposure = [p.exposure_s_per_nm2 for p in points if p.exposure_s_per_nm2 is not None]
    if points and len(exposure) == len(points):
        return exposure, "exposure / (s/nm²)"
    return [], ""


def _draw_curves(axes: Axes, abscissa: Sequence[float], points: Sequence[Point]) -> None:
    confirmed, marked = [p.confirmed for p in points], [p.marked for p in points]
    # a new area starts at zero again: do not draw the way back
    x = np.where(np.diff(abscissa, prepend=-np.inf) < 0, np.nan, abscissa)
    axes.step(x, confirmed, where="post", color=FORMED, lw=1.8, label="formed so far")
    if marked != confirmed:
        label = "marked in the frame"
        axes.step(x, marked, where="post", color=MARKED, lw=1.2, ls="--", label=label)
    axes.set_ylim(bottom=0, top=max(5.0, 1.12 * max([*confirmed, *marked, 0])))
    axes.margins(x=0.01)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 4), useMathText=True)
    axes.set_ylabel("number of defects")
    axes.grid(color="#d0d7de", lw=0.6)
    axes.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _shade_warm_up(axes: Axes, notes: RunNotes) -> None:
    for model in notes.models:
        if model.event != "model_ready":
            continue  # what is learnt anew is learnt from frames that were judged
        used = int(model.values.get("frames_used") or 0)
        first = float(model.values.get("first_frame", model.frame - used + 1))
        label = "warm-up" if model is notes.models[0] else None
        axes.axvspan(first, model.frame, color="#afb8c1", alpha=0.35, lw=0, label=label)
