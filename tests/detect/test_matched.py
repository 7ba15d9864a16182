"""Matched filters against shapes and noise that are known exactly."""

import numpy as np
import pytest
from scipy import stats

from livedetect.detect.explanations import Explanations
from livedetect.detect.kernels.plain_experts import normal_deviate
from livedetect.detect.matched import (
    MatchedFilter,
    MatchedFilters,
    SiteShapes,
    deviate_of,
)
from livedetect.detect.profile import ColumnProfile
from tests.detect.streams import watch

WIDTH_PX = 3.2
HEIGHT = 2.0
NOISE = 0.25
NEIGHBOUR_PX = 9.2


def kind_of(site: MatchedFilter, patch: np.ndarray, frames: int) -> tuple[str, float]:
    return Explanations([site]).kinds(patch[None], np.zeros(1, int), np.array([frames]))[0]


def place_of(site: MatchedFilter, patch: np.ndarray) -> np.ndarray:
    return Explanations([site]).places(patch[None], np.zeros(1, int))[0]


def offsets() -> np.ndarray:
    square = np.stack(np.meshgrid(*[np.arange(-6.0, 7.0, 2.0)] * 2), axis=-1).reshape(-1, 2)
    return square[np.hypot(*square.T) <= 6.0]


def shapes(height: float | None = HEIGHT, *, sign: float = 1.0) -> SiteShapes:
    profile = ColumnProfile(width_px=WIDTH_PX, heights=sign * np.array([HEIGHT, 0.8]))
    return SiteShapes(
        profile=profile,
        offsets_px=offsets(),
        noise=np.full(len(offsets()), NOISE),
        height=None if height is None else sign * height,
        others=sign * np.array([0.8]) if height else profile.heights,
        neighbour_px=NEIGHBOUR_PX,
    )


def noise(count: int, seed: int) -> np.ndarray:
    """Patches of unit variance, correlated as behind a Gaussian filter of the probe."""
    distance = np.hypot(*(offsets()[:, None] - offsets()).transpose(2, 0, 1))
    covariance = np.exp(-(distance**2) / (4 * 2.3**2))
    random = np.random.default_rng(seed)
    return random.multivariate_normal(np.zeros(len(covariance)), covariance, size=count)


def changed(share: float, place: tuple[float, float] = (0.0, 0.0), frames: int = 1) -> np.ndarray:
    """What a column of HEIGHT that changes by a share adds to a patch, noise units."""
    profile = shapes().profile
    return share * HEIGHT * profile.at(offsets() - np.array(place)) / NOISE * np.sqrt(frames)


def displaced(angle: float) -> np.ndarray:
    step = 0.3 * NEIGHBOUR_PX * np.array([np.cos(angle), np.sin(angle)])
    return changed(1.0, tuple(step)) - changed(1.0)


@pytest.fixture(scope="module")
def column() -> MatchedFilter:
    return MatchedFilter(shapes(), noise(6000, seed=0))


@pytest.fixture(scope="module")
def hollow() -> MatchedFilter:
    return MatchedFilter(shapes(None), noise(6000, seed=1))


def test_outputs_of_noise_have_unit_variance(column: MatchedFilter) -> None:
    outputs = noise(6000, seed=5) @ column.filters
    assert outputs.std(axis=0) == pytest.approx(np.ones(outputs.shape[1]), abs=0.08)


def test_nearly_all_the_information_is_used(column: MatchedFilter) -> None:
    distance = np.hypot(*(offsets()[:, None] - offsets()).transpose(2, 0, 1))
    known = np.linalg.inv(np.exp(-(distance**2) / (4 * 2.3**2)))
    signal = changed(-0.5)
    ideal = signal @ known @ signal
    assert (signal @ column.filters[:, 0]) ** 2 >= 0.9 * ideal


KINDS = [
    (changed(-1.0), "vacancy"),
    (changed(-0.5), "half_vacancy"),
    (changed(-0.6), "antisite"),
    (displaced(0.3), "displaced"),
    (displaced(3.5), "displaced"),
    (np.zeros(len(offsets())), "unknown"),
]


@pytest.mark.parametrize(("signal", "expected"), KINDS)
def test_kinds_follow_sign_and_shape(
    column: MatchedFilter, signal: np.ndarray, expected: str
) -> None:
    kind, probability = kind_of(column, signal * 8, 64)
    assert kind == expected
    assert 0 <= probability <= 1


def test_what_appears_in_a_hollow_is_an_adatom(hollow: MatchedFilter) -> None:
    assert kind_of(hollow, changed(0.5), 1)[0] == "adatom"
    assert kind_of(hollow, changed(-0.5), 1)[0] == "unknown"


def test_dark_columns_lose_their_darkness() -> None:
    inverted = MatchedFilter(shapes(sign=-1.0), noise(6000, seed=2))
    assert kind_of(inverted, changed(1.0) * 8, 64)[0] == "vacancy"


def test_hollows_cannot_lose_a_column(hollow: MatchedFilter) -> None:
    filters = MatchedFilters([hollow])
    where = np.zeros(1, np.int64)
    brighter = filters.score(changed(1.0)[None], where, 1)
    darker = filters.score(changed(-1.0)[None], where, 1)
    assert brighter[0][0] > 15
    assert darker[0][0] == 0


def test_a_vacancy_lies_on_its_column_and_an_adatom_where_it_is(
    column: MatchedFilter, hollow: MatchedFilter
) -> None:
    rough = noise(50, seed=9)
    vacancies = [place_of(column, changed(-1.0) + one) for one in rough]
    assert np.sqrt(np.mean(np.square(vacancies).sum(axis=-1))) < 0.06 * NEIGHBOUR_PX
    adatoms = [place_of(hollow, changed(1.0, (1.0, -0.5)) + one) for one in rough]
    away = np.array(adatoms) - [1.0, -0.5]
    assert np.sqrt(np.mean(np.square(away).sum(axis=-1))) < 0.08 * NEIGHBOUR_PX
    assert place_of(column, displaced(1.0) * 3) == pytest.approx([0, 0])


def test_patches_are_explained_by_the_hypotheses_of_their_own_site(
    column: MatchedFilter, hollow: MatchedFilter
) -> None:
    both = Explanations([hollow, column])
    patches = np.stack([changed(-1.0), changed(0.9, (1.0, -0.5)), displaced(1.0)]) * 3
    sites, frames = np.array([1, 0, 1]), np.array([9, 9, 9])
    alone = [column, hollow, column]
    assert [kind for kind, _ in both.kinds(patches, sites, frames)] == [
        "vacancy",
        "adatom",
        "displaced",
    ]
    for site, patch, place in zip(alone, patches, both.places(patches, sites), strict=True):
        assert place == pytest.approx(place_of(site, patch), abs=1e-5)
    assert both.kinds(patches[:0], sites[:0], frames[:0]) == []


@pytest.mark.parametrize("counts", [25.0, 100.0])
@pytest.mark.parametrize("deviate", [-3.5, -2.0, 3.0, 4.5])
def test_the_tails_of_counts_become_normal(counts: float, deviate: float) -> None:
    count = round(counts + deviate * np.sqrt(counts))
    below = stats.poisson.cdf(count - 1, counts)
    middle = below + 0.5 * stats.poisson.pmf(count, counts)
    outputs = np.array([[(count - counts) / np.sqrt(counts)]])
    found = normal_deviate(outputs, np.array([1 / np.sqrt(counts)]))[0, 0]
    assert found == pytest.approx(stats.norm.ppf(middle), abs=0.1)


def test_few_patches_still_give_a_filter() -> None:
    few = MatchedFilter(shapes(), noise(5, seed=3))
    assert np.isfinite(few.filters).all()
    assert kind_of(few, changed(-1.0) * 8, 64)[0] in {"vacancy", "half_vacancy", "antisite"}


def test_what_a_deviate_surprises_by_and_back(column: MatchedFilter) -> None:
    for deviate in (2.0, 5.5, 8.0):
        patch = (deviate * column.filters[:, 0] / (column.filters[:, 0] ** 2).sum())[None]
        surprise = MatchedFilters([column]).score(patch, np.zeros(1, np.int64), 10**6)[0][0]
        assert deviate_of(float(surprise)) == pytest.approx(deviate, abs=0.02)


@pytest.mark.parametrize("seed", [31, 32])
def test_stated_sensitivity_is_what_happens(seed: int) -> None:
    """Half vacancies are found at about the stated number of frames, vacancies at once."""
    spec = f"mos2?size=320&seed={seed}&frames=70&detected_e_per_px=2&prescribed=18&births_until=56"
    run = watch(f"{spec}&kinds=half_vacancy,metal_vacancy")
    (ready,) = run.named("model_ready")
    stated = ready.values["sensitivity"]
    assert stated["vacancy"] <= 2
    assert 3 <= stated["half_vacancy"] <= 7
    delays, _ = run.matched(radius_px=5.5)
    kinds = {d.defect_id: d.kind for frame in run.truth.values() for d in frame.values()}
    needed = [delay + 1 for defect, delay in delays.items() if kinds[defect] == "half_vacancy"]
    assert len(needed) >= 6
    assert abs(float(np.median(needed)) - stated["half_vacancy"]) <= 2.5
