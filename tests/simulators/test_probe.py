import numpy as np
import pytest

from livedetect_simulators.probe import Probe, add_columns


def image_of(columns, shape=(64, 72), shifts=None, probe=None):
    image = np.zeros(shape, np.float32)
    shifts = np.zeros((shape[0], 2)) if shifts is None else shifts
    add_columns(image, np.array(columns, float), shifts, probe or Probe(2.3, 0.25))
    return image


def centroid(image):
    rows, cols = np.indices(image.shape)
    return (image * cols).sum() / image.sum(), (image * rows).sum() / image.sum()


def test_a_column_is_a_gaussian_with_tails():
    rows, cols = np.indices((64, 72))
    squared = (cols - 36.3) ** 2 + (rows - 30.8) ** 2
    expected = sum(
        share / (2 * np.pi * sigma**2) * np.exp(-squared / (2 * sigma**2))
        for share, sigma in ((0.75, 2.3), (0.25, 4.6))
    )
    assert image_of([(36.3, 30.8, 1)]) == pytest.approx(expected, abs=1e-4)


def test_brightness_is_the_sum_over_the_pixels():
    assert image_of([(36.3, 30.8, 7)]).sum() == pytest.approx(7, rel=0.01)


@pytest.mark.parametrize("place", [(36.0, 30.0), (36.49, 30.51), (36.99, 30.01)])
def test_positions_are_kept_to_a_hundredth_of_a_pixel(place):
    assert centroid(image_of([(*place, 1)])) == pytest.approx(place, abs=0.01)


def test_rows_are_shifted_one_by_one():
    shifts = np.zeros((64, 2))
    shifts[31:, 0] = 3.5
    image = image_of([(36, 30, 1)], shifts=shifts)[26:36]
    middle = (image * np.arange(72)).sum(axis=1) / image.sum(axis=1)
    assert middle[:5] == pytest.approx(np.full(5, 36), abs=0.02)
    assert middle[5:] == pytest.approx(np.full(5, 39.5), abs=0.02)


@pytest.mark.parametrize("place", [(-3, 20), (74, 20), (20, -4), (20, 66), (-90, -90), (500, 9)])
def test_columns_at_and_beyond_the_edge_are_cut(place):
    whole = image_of([(place[0] + 100, place[1] + 100, 1)], shape=(264, 272))
    assert image_of([(*place, 1)]) == pytest.approx(whole[100:164, 100:172], abs=1e-7)
