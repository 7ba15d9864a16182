"""How much information the residuals keep: against the truth, and against what is taken away."""

import numpy as np
import pytest

from livedetect.bench.front_end import kept
from livedetect.bench.streams import simulated
from livedetect.detect.lattice_method import LatticeMethod
from livedetect.errors import LatticeNotFoundError

SPEC = "graphene?size=448&frames=44&prescribed=15&births_until=34&detected_e_per_px=3&seed=1"


def share_kept() -> float:
    found = kept(simulated(SPEC).with_truth())
    assert set(found) <= {"adatom", "displaced", "vacancy"}
    assert sum(entry.defects for entry in found.values()) >= 9
    return float(np.mean([entry.residual / entry.frame for entry in found.values()]))


def test_nearly_everything_is_kept_and_what_is_lost_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = share_kept()
    assert 0.8 < whole < 1.15

    signal, rng = LatticeMethod.signal, np.random.default_rng(0)

    def noisier(self: LatticeMethod, *args: object) -> np.ndarray:
        seen = signal(self, *args)  # type: ignore[arg-type]
        # unlike the residuals' own noise this one is independent from sample to sample
        return np.asarray(seen + 1.5 * rng.normal(size=seen.shape))

    monkeypatch.setattr(LatticeMethod, "signal", noisier)
    assert share_kept() < 0.7 * whole


def test_frames_without_a_lattice_are_refused() -> None:
    stream = simulated("graphene?size=128&frames=14&detected_e_per_px=0.01&seed=1")
    with pytest.raises(LatticeNotFoundError):
        kept(stream.with_truth())
