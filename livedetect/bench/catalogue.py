"""The questions of the benchmark: which streams each needs, and which table answers it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from livedetect.bench.answers import by_class, by_kind, by_row
from livedetect.bench.areas import by_area
from livedetect.bench.beginnings import by_early_birth, by_start
from livedetect.bench.false_alarms import by_lasting, by_null
from livedetect.bench.naming import by_called, by_kept, by_place, by_stated
from livedetect.bench.questions import (
    CRYSTALS,
    Plan,
    Question,
    Row,
    Variation,
    spec,
    stored,
    varying,
    with_births,
)
from livedetect.bench.trial import FRONT_END, MATCHED, Trial

DEFAULT_QUESTIONS = ("class", "kind", "material")
QUICK_QUESTIONS = (*DEFAULT_QUESTIONS, "localisation", "null")
BUDGET = "false_markers_per_1000_frames"
REFERENCE_A_PX = 16.0

PLAIN = varying([Variation({})], CRYSTALS, (2.0, 5.0))


def _varied(head: str, steps: Mapping[str, Mapping[str, Any]]) -> list[Variation]:
    return [Variation({head: name}, keys) for name, keys in steps.items()]


def _same_dose(plan: Plan, signal: float, varied: Variation) -> dict[str, Any]:
    """Keys of a stream with as many electrons per unit cell as `signal` gives at 16 px."""
    per_px = signal * (REFERENCE_A_PX / float(varied.keys["a_px"])) ** 2
    return with_births(plan, float(f"{per_px:.3g}"), varied)


def _front_end_rows(plan: Plan) -> list[Row]:
    return PLAIN(dataclasses.replace(plan, methods=(FRONT_END,)))


def _long(plan: Plan, signal: float, varied: Variation) -> dict[str, Any]:
    """Keys of a stream that lasts, with births in its first half."""
    keys = with_births(plan, signal, varied)
    return {**keys, "frames": int(keys["births_until"]) + 84}


DRIFTS = _varied(
    "drift + walk / px",
    {
        "0 + 0": {"drift_px": 0.0, "walk_px": 0.0},
        "0.3 + 0.2": {},
        "1 + 0.5": {"drift_px": 1.0, "walk_px": 0.5},
        "2 + 1": {"drift_px": 2.0, "walk_px": 1.0},
        "0 + 2": {"drift_px": 0.0, "walk_px": 2.0},
        "sheared by 3": {"shear_px": 3.0},
        "3 jumps of 3": {"jumps": 3, "jump_px": 3.0},
        "3 jumps of 8": {"jumps": 3, "jump_px": 8.0},
    },
)
JITTERS = _varied(
    "jitter / px",
    {
        "0": {"jitter_px": 0.0},
        "0.3": {},
        "0.6": {"jitter_px": 0.6},
        "1": {"jitter_px": 1.0},
        "0.3 of pixels": {"pixel_jitter_px": 0.3},
    },
)
WARPS = _varied("warp / px", {f"{w:g}": {"warp_px": w} for w in (0.0, 1.0, 3.0)})
FAST = _varied(
    "scan",
    {
        "flyback 4 px, 40 px wide": {"flyback_px": 4.0, "settle_us": 20.0, "dwell_us": 0.5},
        "mains 0.5 px": {"mains_px": 0.5},
        "mains 1 px, 1 µs": {"mains_px": 1.0, "dwell_us": 1.0},
        "both, jitter 1 px": {
            "flyback_px": 4.0,
            "settle_us": 20.0,
            "dwell_us": 0.5,
            "mains_px": 0.5,
            "jitter_px": 1.0,
        },
    },
)
BACKGROUNDS = _varied(
    "per 100 frames",
    {
        "nothing grows": {"background": 0.0},
        "background 0.25": {"background": 0.25},
        "background 1": {"background": 1.0},
        "local 0.25": {"contamination": 0.25},
        "local 1": {"contamination": 1.0},
        "defocus 0.2": {"defocus": 0.2},
    },
)
SPACINGS = [
    Variation({"nn / px": f"{nn:g}"}, {"a_px": round(nn * 3**0.5, 3)})
    for nn in (4.0, 5.0, 7.0, 9.24, 15.0, 25.0, 40.0)
]
SIZES = _varied(
    "frame",
    {
        "128²": {"size": 128},
        "256²": {"size": 256},
        "512 x 256": {"size": 512, "height": 256},
        "300 x 700": {"size": 700, "height": 300, "width": 700},
        "512²": {"size": 512},
        "1024²": {"size": 1024},
    },
)
WARM_UPS = [
    Variation(
        {"warm-up": str(n)},
        {"damage_from": 44, "frames": 94},
        (("warm_up_frames", n),),
    )
    for n in (4, 6, 8, 12, 20, 40)
]
DETECTORS = _varied(
    "detector",
    {
        "counts, 16 bit": {},
        "8 bit": {"gain": 6.0, "bits": 8},
        "8 bit, offset 20": {"gain": 4.0, "offset": 20.0, "bits": 8},
        "float": {"bits": 32, "gain": 0.01, "offset": -3.0},
        "analogue": {"gain": 137.0, "offset": 900.0, "excess_noise": 0.3, "read_noise": 60.0},
        "dark cut off": {"gain": 100.0, "offset": -60.0, "read_noise": 30.0},
        "inverted": {"invert": 1},
        "inverted, 50 e/px": {"invert": 1, "detected_e_per_px": 50.0},
    },
)
STARTS = _varied(
    "case",
    {
        "perfect": {},
        "2 % defective": {"preexisting": 0.02},
        "5 % defective": {"preexisting": 0.05},
        "10 % defective": {"preexisting": 0.1},
        "two domains": {"twin": 1},
        "contaminated": {"contamination": 1.0, "background": 0.5},
    },
)
EARLY = _varied("births in frames", {"2 to 11": {"damage_from": 2}, "6 to 11": {"damage_from": 6}})
ALONE = {"max_defects": 0, "births_until": 30}
AREAS: dict[str, tuple[str, dict[str, Any]]] = {
    "inversion domain": ("mos2", {"domain": "inversion"}),
    "inversion domain ": ("ws2", {"domain": "inversion"}),
    "mirror twin": ("zro2", {"domain": "twin", "domain_px": 2.0}),
    "new phase": ("mos2", {"domain": "phase"}),
    "new phase, fills the view": ("mos2", {"domain": "phase", "domain_px": 4.0}),
    "growing hole": ("mos2", {**ALONE, "holes": 1, "edge_barn": 200.0}),
    "growing line": ("mos2", {**ALONE, "lines": 1, "edge_barn": 1000.0}),
    "growing line ": ("ws2", {**ALONE, "lines": 1, "edge_barn": 1000.0}),
}
"""Case: the usual crystal, and keys."""


def _area_rows(plan: Plan) -> list[Row]:
    full = plan.usual((), (2.0,))
    return [
        _area_row(full, name.strip(), crystal, signal, method)
        for name, (crystal, _) in AREAS.items()
        for signal in full.signals
        for method in full.methods
        if method != MATCHED and (not plan.crystals or crystal in plan.crystals)
    ]


def _area_row(plan: Plan, name: str, crystal: str, signal: float, method: str) -> Row:
    keys = next(k for case, (c, k) in AREAS.items() if case.strip() == name and c == crystal)
    values = {"size": plan.size, "frames": plan.frames, "detected_e_per_px": signal, **keys}
    specs = [spec(crystal, {**values, "seed": seed}) for seed in plan.seeds]
    return Row(
        label={"case": name, "crystal": crystal, "e/px": f"{signal:g}", "method": method},
        trials=tuple(Trial(stream=stream, method=method) for stream in specs),
    )


def _while_learning(plan: Plan, signal: float, varied: Variation) -> dict[str, Any]:
    """Keys of a stream with births before the crystal has been learnt."""
    return {**with_births(plan, signal, varied), "births_until": 12, "frames": 40}


NULLS: dict[str, tuple[dict[str, Any], float, float]] = {
    "drift, growing": ({"background": 0.25}, 1.0, 3.0),
    "stationary": ({"background": 0.0, "drift_px": 0.0, "walk_px": 0.0}, 1.0, 2.0),
    "budget 10": ({"background": 0.25}, 10.0, 3.0),
    "harsh drift": (
        {
            "background": 0.4,
            "contamination": 0.3,
            "defocus": 0.1,
            "drift_px": 0.5,
            "walk_px": 0.4,
        },
        1.0,
        5.0,
    ),
}
"""Condition: keys, budget, and how many times the budget is allowed."""
NULL_LENGTHS = (200, 400, 1000, 400)
"""Frames of the streams of a null row, repeated."""


def _null_rows(plan: Plan) -> list[Row]:
    full = plan.usual(CRYSTALS, (5.0,))
    return [
        _null_row(full, crystal, signal, name, method)
        for crystal in full.crystals
        for signal in full.signals
        for name in NULLS
        for method in full.methods
    ]


def _null_row(plan: Plan, crystal: str, signal: float, name: str, method: str) -> Row:
    keys, budget, allowed = NULLS[name]
    trials = []
    for seed in plan.seeds:
        for number, frames in enumerate(_lengths(plan.null_frames)):
            values = {"size": plan.size, "frames": frames, "detected_e_per_px": signal, "damage": 0}
            # streams of one seed differ in their random numbers as well
            stream = {**values, **keys, "seed": seed + 100_000 * number}
            trials.append(_null_trial(crystal, stream, method, budget))
    return Row(
        label={
            "crystal": crystal,
            "e/px": f"{signal:g}",
            "case": name,
            "budget": f"{budget:g}",
            "allowed": f"{allowed:g}",
            "method": method,
        },
        trials=tuple(trials),
    )


def _null_trial(crystal: str, keys: Mapping[str, Any], method: str, budget: float) -> Trial:
    query = "&".join(f"{key}={value}" for key, value in keys.items())
    return Trial(stream=f"{crystal}?{query}", method=method, settings=((BUDGET, budget),))


def _lengths(total: int) -> list[int]:
    """Lengths of streams that hold `total` frames together."""
    lengths: list[int] = []
    while sum(lengths) < total:
        usual = NULL_LENGTHS[len(lengths) % len(NULL_LENGTHS)]
        lengths.append(min(usual, total - sum(lengths)))
    return lengths


QUESTIONS: dict[str, Question] = {
    "class": Question(title="By information per frame", rows=PLAIN, answer=by_class),
    "kind": Question(title="By kind of defect", rows=PLAIN, answer=by_kind),
    "material": Question(title="By material", rows=PLAIN, answer=by_row),
    "signal": Question(
        title="By signal",
        rows=varying([Variation({})], ("mos2", "ws2"), (1.0, 2.0, 5.0, 10.0, 20.0)),
        answer=by_row,
    ),
    "drift": Question(title="By drift", rows=varying(DRIFTS), answer=by_row),
    "jitter": Question(title="By jitter of the rows", rows=varying(JITTERS), answer=by_row),
    "warp": Question(title="By static distortion", rows=varying(WARPS), answer=by_row),
    "fast_scan": Question(title="Fast scans", rows=varying(FAST), answer=by_row),
    "contamination": Question(
        title="Background, contamination, defocus", rows=varying(BACKGROUNDS), answer=by_row
    ),
    "sampling": Question(
        title="Distance of columns",
        rows=varying(SPACINGS, build=_same_dose),
        answer=by_row,
        note="As many electrons per unit cell in every row as 2 e/px are at a lattice constant "
        "of 16 px.",
    ),
    "frame_size": Question(title="Size of the frames", rows=varying(SIZES), answer=by_row),
    "warm_up": Question(title="Length of the warm-up", rows=varying(WARM_UPS), answer=by_row),
    "detector": Question(title="Detectors and data types", rows=varying(DETECTORS), answer=by_row),
    "null": Question(
        title="Streams in which nothing happens",
        rows=_null_rows,
        answer=by_null,
        note="Every marker is false. The realised rate stands with its 95 % interval; what that "
        "does not decide is open.",
    ),
    "areas": Question(title="Extended changes", rows=_area_rows, answer=by_area),
    "start": Question(
        title="Early frames that are not perfect", rows=varying(STARTS), answer=by_start
    ),
    "early_births": Question(
        title="Births during the warm-up",
        rows=varying(EARLY, ("mos2", "graphene"), (5.0,), _while_learning),
        answer=by_early_birth,
    ),
    "kinds_confusion": Question(title="What defects are called", rows=PLAIN, answer=by_called),
    "localisation": Question(title="Where defects are said to be", rows=PLAIN, answer=by_place),
    "sensitivity": Question(
        title="Frames that a defect is said to need, and did need",
        rows=PLAIN,
        answer=by_stated,
        note="Stated is the key `sensitivity` of the run's events: frames by kind.",
    ),
    "front_end": Question(
        title="Information that the front-end keeps",
        rows=_front_end_rows,
        answer=by_kept,
        note="Only the residuals are looked at, with the noise that they have, by the best linear "
        "test; that can exceed d'² where a change alters the noise, too.",
    ),
    "lasting": Question(
        title="Are defects still marked 60 frames later?",
        rows=varying(BACKGROUNDS[1:], build=_long),
        answer=by_lasting,
    ),
    "real": Question(title="Streams made of real frames", rows=stored, answer=by_row),
}
