"""What of a distortion belongs to the scan, from known fields and their changes."""

import numpy as np
import pytest

from livedetect.detect.scan_distortion import ScanDistortion

BLOCK_PX = 4
SHAPE = (60, 80)


def field(moved: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(2, h, w) displacement, px, read `moved` (x, y) px further on."""
    y, x = np.indices(SHAPE) * BLOCK_PX
    x, y = (x + moved[0]) / 320, (y + moved[1]) / 240
    found = np.stack([3 * np.sin(5 * y) * np.cos(2 * x), 2 * np.cos(4 * x + 1)])
    return found.astype(np.float32)


def learnt(scan: float, strain: float) -> ScanDistortion:
    """From a noisy field of scan and specimen, in these shares, that drifts by 12 px."""
    rng = np.random.default_rng(5)
    distortion = ScanDistortion((scan + strain) * field(), BLOCK_PX, independent=100)
    usable = np.ones(SHAPE, bool)
    usable[:, :8] = False
    for step in range(1, 13):
        change = scan * (field((step, 0.4 * step)) - field())
        change += 0.05 * rng.normal(size=change.shape).astype(np.float32)
        distortion.take_in(change, np.array([step, 0.4 * step]), usable)
    return distortion


def without_mean(values: np.ndarray) -> np.ndarray:
    inside = values[:, 10:-10, 10:-10]
    return inside - inside.mean(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(("scan", "strain"), [(1.0, 0.0), (0.5, 0.5), (0.5, -0.2)])
def test_the_part_of_the_scan_is_learnt_and_foretold(scan: float, strain: float) -> None:
    distortion = learnt(scan, strain)
    assert distortion.trusted
    later = np.array([18.0, 7.0])
    true = without_mean(scan * (field((18.0, 7.0)) - field()))
    found = without_mean(distortion.change(later))
    assert np.sqrt(np.mean((found - true) ** 2)) < 0.2 * np.sqrt(np.mean(true**2))


def test_what_drifts_with_the_specimen_is_none_of_the_scan() -> None:
    assert not learnt(0.0, 1.0).trusted


@pytest.mark.parametrize("blocks", [0, 1, 15, 17])
def test_frames_with_hardly_a_usable_place_teach_nothing(blocks: int) -> None:
    distortion = ScanDistortion(field(), BLOCK_PX, independent=100)
    usable = np.zeros(SHAPE, bool)
    usable.ravel()[:: usable.size // 17][:blocks] = True
    for step in range(9):
        moved = np.array([step, 0.4 * step])
        distortion.take_in(field((step, 0.4 * step)) - field(), moved, usable)
        assert not distortion.change(moved).any()
    assert not distortion.trusted


def test_frames_that_show_nothing_at_all_leave_it_as_it_is() -> None:
    """A matrix without an inverse would end the run."""
    distortion = ScanDistortion(field(), BLOCK_PX, independent=100)
    for _ in range(3):
        distortion.take_in(np.zeros((2, *SHAPE)), np.zeros(2), np.ones(SHAPE, bool))
    assert not distortion.trusted
    assert not distortion.change(np.array([3.0, 1.0])).any()


def test_what_has_been_placed_by_it_stays_so() -> None:
    """To go back would leave the samples where nothing else looks for them."""
    distortion = learnt(1.0, 0.0)
    for step in range(13, 25):
        contrary = 3 * (field() - field((step, 0.4 * step)))
        distortion.take_in(contrary, np.array([step, 0.4 * step]), np.ones(SHAPE, bool))
        assert distortion.trusted


def test_a_corner_of_the_field_teaches_nothing() -> None:
    """Beside a boundary of grains single frames show changes that are none of the scan's."""
    distortion = ScanDistortion(field(), BLOCK_PX, independent=100)
    usable = np.zeros(SHAPE, bool)
    usable[:20, :30] = True
    for step in range(1, 13):
        change = field((step, 0.4 * step)) - field()
        distortion.take_in(change, np.array([step, 0.4 * step]), usable, share=0.3)
    assert not distortion.trusted


@pytest.mark.parametrize(("independent", "fitted_by_chance"), [(4.0, False), (100.0, True)])
def test_waves_that_fit_a_few_blocks_are_not_believed(
    independent: float, fitted_by_chance: bool
) -> None:
    """An error of three half periods that comes and goes: in a small view it is nothing else."""
    y, x = np.indices(SHAPE)
    trusted = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        distortion = ScanDistortion(field(), BLOCK_PX, independent=independent)
        phase = rng.uniform(0, 6, 4)
        wrong = np.stack(
            [
                np.cos(0.12 * y + phase[0]) * np.cos(0.04 * x + phase[1]),
                np.cos(0.05 * y + phase[2]) * np.cos(0.1 * x + phase[3]),
            ]
        )
        size = 0.2 + 0.05 * np.cumsum(rng.normal(size=12))
        for step in range(1, 13):
            change = size[step - 1] * wrong + 0.05 * rng.normal(size=wrong.shape)
            moved = np.array([step, 0.4 * step])
            distortion.take_in(change.astype(np.float32), moved, np.ones(SHAPE, bool))
        trusted += distortion.trusted
    assert (trusted >= 4) == fitted_by_chance
