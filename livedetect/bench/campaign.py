"""Many trials, several at a time; what is done is kept in a file and not done again."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from threadpoolctl import threadpool_limits

from livedetect.bench.record import StreamRecord, record_from
from livedetect.bench.trial import Trial, carry_out, code_digest


def iter_records(
    trials: Sequence[Trial], workers: int | None = None
) -> Iterator[tuple[Trial, StreamRecord]]:
    """Carry out `trials`, each with one thread; whatever is done first comes first.

    Parameters
    ----------
    trials : what to run.
    workers : processes; None: one per core; 1: this process.
    """
    count = min(workers or os.cpu_count() or 1, max(1, len(trials)))
    if count == 1:
        for trial in trials:
            with threadpool_limits(1):
                record = carry_out(trial)
            yield trial, record
        return
    # "spawn" exists everywhere and starts workers without the threads of this process
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_one_thread) as pool:
        running = {pool.submit(carry_out, trial): trial for trial in trials}
        for done in as_completed(running):
            yield running[done], done.result()


class RecordFile:
    """Records as JSON lines, appended one by one, so that a long campaign can be resumed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records: dict[str, StreamRecord] = {}
        text = path.read_text(encoding="utf-8") if path is not None and path.exists() else ""
        for key, record in _read(text):
            self._records[key] = record
        # after a line that was cut short a new one begins
        self._separator = "\n" if text and not text.endswith("\n") else ""

    def missing(self, trials: Iterable[Trial]) -> list[Trial]:
        """The trials without a record of the present code, each once."""
        wanted = {trial.key: trial for trial in trials}
        return [trial for trial in wanted.values() if not self._has(trial)]

    def add(self, trial: Trial, record: StreamRecord) -> None:
        """Keep a record, on disk at once."""
        self._records[trial.key] = record
        if self._path is not None:
            line = json.dumps({"key": trial.key, **record.as_dict()}, separators=(",", ":"))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{self._separator}{line}\n")
            self._separator = ""

    def of(self, trials: Iterable[Trial]) -> list[StreamRecord]:
        """The records of `trials`, those that are there."""
        keys = [trial.key for trial in trials]
        return [self._records[key] for key in keys if key in self._records]

    def _has(self, trial: Trial) -> bool:
        record = self._records.get(trial.key)
        return record is not None and record.code == code_digest(trial.method)


def _read(text: str) -> Iterator[tuple[str, StreamRecord]]:
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue  # the last line of a campaign that was killed while writing
        yield values["key"], record_from(values)


def _one_thread() -> None:
    """Keep the numerics of a worker on one thread: the workers already fill the cores."""
    # numba reads it when it is first imported, which a worker has not done yet
    os.environ["NUMBA_NUM_THREADS"] = "1"
    threadpool_limits(1)
