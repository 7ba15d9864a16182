"""One stream through one method: run, timed, and held against the truth."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import livedetect
from livedetect.bench.areas import told_of
from livedetect.bench.engine_run import EngineRun, run_engine
from livedetect.bench.front_end import kept
from livedetect.bench.optimum import MatchedFilter
from livedetect.bench.record import StreamRecord, judged_against
from livedetect.bench.streams import SimulatedStream, StoredStream, simulated
from livedetect.bench.truth import Truth
from livedetect.settings import Settings

JUDGING = (
    "livedetect.detect",
    "livedetect.settings",
    "livedetect_simulators",
    *(f"livedetect.bench.{name}" for name in ("areas", "matching", "record", "score", "truth")),
)
"""Packages and modules whose code decides what a trial gives."""
MATCHED = "matched filter"
"""Name of the reference that knows the truth, beside the methods of the detector."""
FRONT_END = "front end"
"""And of what is not detected at all: only the residual is looked at."""
IDEAL = ("livedetect_simulators",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One stream with one method."""

    stream: str
    """Spec of the simulator, or path of a case folder."""
    method: str = "lattice"
    """Method of the detector."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Further settings that differ from the defaults."""

    @property
    def is_stored(self) -> bool:
        """Whether the stream is a folder."""
        return (Path(self.stream) / "truth.csv").exists()

    @property
    def key(self) -> str:
        """The same for equal trials, by whatever code they are run."""
        return json.dumps([self.label, self.method, dict(self.settings)], sort_keys=True)

    @property
    def label(self) -> str:
        """The stream as records name it: the spec, or the folder's name."""
        return Path(self.stream).name if self.is_stored else self.stream


def carry_out(trial: Trial) -> StreamRecord:
    """Run a trial with a fresh detector; what goes wrong in the engine stands in the record."""
    head = {
        "stream": trial.label,
        "method": trial.method,
        "settings": dict(trial.settings),
        "code": code_digest(trial.method),
    }
    stream = StoredStream(Path(trial.stream)) if trial.is_stored else simulated(trial.stream)
    try:
        done = _RUNS.get(trial.method, _detected)(trial, stream)
    except Exception as error:  # noqa: BLE001 - one failing stream must not end the campaign
        return StreamRecord(**head, fault=f"{type(error).__name__}: {error}")  # type: ignore[arg-type]
    figures = {**summary(stream.truth(), done), "details": _details(stream, done)}
    return StreamRecord(**head, **figures)  # type: ignore[arg-type]


def _details(stream: StoredStream | SimulatedStream, done: EngineRun) -> dict[str, Any]:
    """What only some questions ask for: extended changes, what is said about the sensitivity."""
    areas = stream.areas()
    details = dict(done.details)
    if areas is not None:
        details["area"] = told_of(areas, done.events)
    stated = [event["sensitivity"] for event in done.events if event.get("sensitivity")]
    return {**details, "sensitivity": stated[-1]} if stated else details


def _detected(trial: Trial, stream: StoredStream | SimulatedStream) -> EngineRun:
    settings = Settings().with_values({"method": trial.method, **dict(trial.settings)})
    return run_engine(livedetect.engine_for(settings), stream)


def _observed(trial: Trial, stream: StoredStream | SimulatedStream) -> EngineRun:
    settings = Settings().with_values(dict(trial.settings))
    ideal = MatchedFilter(
        stream.observer(),
        stream.truth().neighbour_px,
        settings.false_markers_per_1000_frames,
        settings.warm_up_frames,
    )
    return ideal.run(stream)


def _residuals(_: Trial, stream: StoredStream | SimulatedStream) -> EngineRun:
    found = kept(stream.with_truth())
    return EngineRun(details={"kept": {kind: asdict(entry) for kind, entry in found.items()}})


_RUNS = {MATCHED: _observed, FRONT_END: _residuals}
_DECIDING = {MATCHED: IDEAL, FRONT_END: (*JUDGING, "livedetect.bench")}


def summary(truth: Truth, done: EngineRun) -> dict[str, Any]:
    """The fields of a record that follow from the truth and the run."""
    names = Counter(event["event"] for event in done.events)
    return {
        "frames": truth.frame_count,
        "judged": done.dispositions["scored"],
        "nn_px": truth.neighbour_px,
        "notices": {name: n for name, n in names.items() if name != "defect_confirmed"},
        "frames_per_s": done.frames_per_s,
        **judged_against(truth, done.events, done.tracks),
    }


@lru_cache(maxsize=8)
def code_digest(method: str) -> str:
    """Short digest of the code that decides what a trial with `method` gives."""
    digest = hashlib.sha256()
    for package in _DECIDING.get(method, JUDGING):
        for path in _sources(package):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _sources(name: str) -> list[Path]:
    """The files of a package, or the one of a module; none where it is not installed."""
    spec = find_spec(name)
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    folders = map(Path, spec.submodule_search_locations)
    return sorted(path for folder in folders for path in folder.rglob("*.py"))
