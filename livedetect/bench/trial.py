"""One stream through one method: run, timed, and held against the truth."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import livedetect
from livedetect.bench.record import StreamRecord, judged_against
from livedetect.bench.truth import Truth, read_truth, truth_from
from livedetect.errors import SourceError
from livedetect.protocols import Engine
from livedetect.settings import Settings
from livedetect.types import Frame, FrameResult, SimulatedFrame, TrueDefect

JUDGING = ("livedetect.detect", "livedetect_simulators")
"""Packages whose code decides what a trial gives."""


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


@dataclass(slots=True)
class EngineRun:
    """What an engine said about a stream, and how fast."""

    events: list[dict[str, Any]] = field(default_factory=list)
    """In their JSON form."""
    tracks: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    """Places (x, y) of what is marked, px, by frame."""
    dispositions: Counter[str] = field(default_factory=Counter)
    """How many frames were scored, warm-up, suspect ..."""
    seconds: list[float] = field(default_factory=list)
    """Time inside `step` of every scored frame."""

    @property
    def frames_per_s(self) -> float | None:
        """From the median time per scored frame; None if there was none."""
        return 1 / float(np.median(self.seconds)) if self.seconds else None

    def note(self, result: FrameResult, seconds: float) -> None:
        """Take down one result."""
        self.dispositions[result.disposition] += 1
        if result.disposition == "scored":
            self.seconds.append(seconds)
        self.events += [event.as_dict() for event in result.events]
        self.tracks[result.frame] = [(track.x_px, track.y_px) for track in result.active_tracks]


def carry_out(trial: Trial) -> StreamRecord:
    """Run a trial with a fresh detector; what goes wrong in the engine stands in the record."""
    head = {
        "stream": trial.label,
        "method": trial.method,
        "settings": dict(trial.settings),
        "code": code_digest(),
    }
    settings = Settings().with_values({"method": trial.method, **dict(trial.settings)})
    stream = StoredStream(Path(trial.stream)) if trial.is_stored else simulated(trial.stream)
    try:
        done = run_engine(livedetect.Detector(settings), stream)
    except Exception as error:  # noqa: BLE001 - one failing stream must not end the campaign
        return StreamRecord(**head, fault=f"{type(error).__name__}: {error}")  # type: ignore[arg-type]
    return StreamRecord(**head, **summary(stream.truth(), done))  # type: ignore[arg-type]


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


def run_engine(engine: Engine, frames: Iterable[Frame]) -> EngineRun:
    """Take every frame through `engine`; only the time inside `step` counts."""
    done = EngineRun()
    for frame in frames:
        begun = time.perf_counter()
        result = engine.step(frame)
        done.note(result, time.perf_counter() - begun)
    return done


class StoredStream:
    """A case folder: ``frames.npy``, ``truth.csv``, ``meta.json``."""

    def __init__(self, case: Path) -> None:
        self._case = case

    def __iter__(self) -> Iterator[Frame]:
        stack = np.load(self._case / "frames.npy", mmap_mode="r")
        meta = json.loads((self._case / "meta.json").read_text(encoding="utf-8"))
        for index, data in enumerate(stack):
            yield Frame.from_array(data, index=index, pixel_size_nm=meta["pixel_size_nm"])

    def truth(self) -> Truth:
        """What happened in it."""
        return read_truth(self._case)


class SimulatedStream:
    """Frames of a simulator; their truth is gathered on the way."""

    def __init__(self, spec: str, frames: Iterable[SimulatedFrame], meta: Mapping[str, Any]):
        self._spec = spec
        self._frames = frames
        self._meta = meta
        self._defects: list[TrueDefect] = []
        self._regions: list[Any] = []

    def __iter__(self) -> Iterator[Frame]:
        for entry in self._frames:
            self._defects.extend(entry.truth)
            if entry.region is not None:
                self._regions.append(entry.region)
            yield entry.frame

    def truth(self) -> Truth:
        """What happened in the frames so far."""
        region = np.array(self._regions) if self._regions else None
        return truth_from({**self._meta, "case": self._spec}, self._defects, region=region)


def simulated(spec: str) -> SimulatedStream:
    """The stream of a spec; raises `SettingsError` for one that is not understood."""
    from livedetect.stream.registry import open_simulator  # noqa: PLC0415 - workers only

    simulator = open_simulator(spec)
    return SimulatedStream(spec, simulator, simulator.meta)


def stored_cases(data: Path) -> list[Path]:
    """The case folders in `data`.

    Raises
    ------
    SourceError : there is none.
    """
    found = sorted(path.parent for path in Path(data).glob("*/truth.csv"))
    cases = [path for path in found if (path / "frames.npy").exists()]
    if not cases:
        raise SourceError(f"{data} holds no case folder with frames.npy, truth.csv and meta.json")
    return cases


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Short digest of the code that decides what a trial gives."""
    digest = hashlib.sha256()
    for package in JUDGING:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(folder).glob("*.py")):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
