"""The schemes of Guo et al. (2021), in the frame of types of the default method."""

import numpy as np
import pytest

from livedetect import Detector, Settings
from livedetect.detect.patterson import PattersonMethod
from livedetect.detect.segments import patterson
from livedetect.detect.semantic import SemanticMethod
from livedetect.stream.registry import open_simulator
from tests.detect.streams import frames, watch


def test_the_patterson_function_does_not_feel_a_translation() -> None:
    rng = np.random.default_rng(0)
    scene = np.zeros((1, 40, 40), np.float32)
    scene[0, 10:24, 10:24] = rng.random((14, 14))
    moved = np.roll(scene, (5, 3), axis=(1, 2))
    assert np.allclose(patterson(scene, 10), patterson(moved, 10), atol=1e-5)


def test_it_cannot_tell_an_inversion_either() -> None:
    scene = np.random.default_rng(0).random((1, 20, 20)).astype(np.float32)
    assert np.allclose(patterson(scene, 8), patterson(scene[:, ::-1, ::-1], 8), atol=1e-5)


MOWTE2 = (
    "mowte2?size=384&frames=26&detected_e_per_px=30&prescribed=6&births_until=22"
    "&damage_from=13&kinds=metal_vacancy,column_vacancy"
)


@pytest.mark.parametrize("seed", [1, 2])
def test_sliding_windows_find_vacancies_in_bilayer_mowte2(seed: int) -> None:
    spec = f"{MOWTE2}&seed={seed}"
    run = watch(spec, Settings(method="patterson"))
    delays, false = run.matched(open_simulator(spec).meta["nn_px"])
    assert len(delays) >= 5
    assert len(false) <= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_the_semantic_image_sees_vacancies_in_bilayer_mowte2(seed: int) -> None:
    """Ranking, not markers: columns that the peak finder misses set its threshold."""
    stream = list(open_simulator(f"{MOWTE2}&seed={seed}"))
    images = [entry.frame.data.astype(np.float32) for entry in stream]
    method = SemanticMethod(images[:12], Settings(method="semantic"))
    positions, descriptors = method.describe(images[-1])
    scores = method.novelty.score(descriptors)
    truth = np.array([[defect.x_px, defect.y_px] for defect in stream[-1].truth])
    distance = np.hypot(*(positions[:, None] - truth).transpose(2, 0, 1))
    usual = np.quantile(scores[distance.min(axis=1) > 40], 0.98)
    beside = [scores[distance[:, i] < 14].max() for i in range(len(truth))]
    assert np.mean(np.array(beside) > usual) >= 0.8


@pytest.mark.parametrize(("twin", "phases"), [(1, 2), (0, 1)])
def test_the_domains_in_view_are_told_apart_without_labels(twin: int, phases: int) -> None:
    stream = frames(f"zro2?size=256&frames=6&twin={twin}&damage=0&seed=2")
    method = PattersonMethod([frame.data.astype(np.float32) for frame in stream], Settings())
    shares = np.bincount(method.phases) / len(method.phases)
    assert len(shares) == phases
    assert shares.min() > 0.3


def test_the_twin_boundary_of_zirconia_is_found_in_the_first_frames() -> None:
    stream = frames("zro2?size=320&frames=12&twin=1&damage=0&detected_e_per_px=20&seed=1")
    detector = Detector(Settings(method="patterson"))
    events = [event for frame in stream for event in detector.step(frame).events]
    at_start = np.array([[e.x_px, e.y_px] for e in events if e.event == "defect_at_start"])
    assert len(at_start) >= 4
    centred = at_start - at_start.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False) / np.sqrt(len(centred))
    assert spread[0] > 4 * spread[1]  # they lie on a line: the boundary
