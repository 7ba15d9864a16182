import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from livedetect.detect.decision import fit_tail, site_probability, suppress_non_maxima
from livedetect.detect.novelty import fit_novelty
from livedetect.detect.warm_up import bulk_tail


def test_the_tail_predicts_how_often_a_score_is_exceeded() -> None:
    rng = np.random.default_rng(0)
    tail = fit_tail(rng.exponential(3.0, 100_000))
    fresh = rng.exponential(3.0, 2_000_000)
    wanted = 1e-4
    realised = (fresh > tail.score_at(wanted)).mean()
    assert wanted / 2 < realised < 2 * wanted
    assert tail.probability(tail.score_at(wanted)) == pytest.approx(wanted)


def test_a_larger_budget_allows_more_per_site() -> None:
    assert site_probability(10, 5000) == pytest.approx(10 * site_probability(1, 5000))
    assert site_probability(1, 5000) < 1e-3 / 5000


def test_suppression_keeps_the_best_of_each_group() -> None:
    positions = np.array([[0, 0], [1, 0], [20, 0], [20, 3], [50, 50]], float)
    scores = np.array([5.0, 9.0, 4.0, 3.0, 1.0])
    assert suppress_non_maxima(positions, scores, 6.0).tolist() == [1, 2, 4]


def test_the_score_orders_like_the_svm_and_does_not_saturate() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2000, 6)).astype(np.float32)
    model = fit_novelty(normal, nu=0.02)
    probes = rng.normal(size=(200, 6)).astype(np.float32) * 2
    projected = (normal - model.mean) @ model.whitening
    svm = OneClassSVM(nu=0.02, gamma=model.gamma).fit(projected)
    theirs = -svm.score_samples((probes - model.mean) @ model.whitening)
    ours = model.score(probes)
    agreement = np.corrcoef(np.argsort(np.argsort(theirs)), np.argsort(np.argsort(ours)))[0, 1]
    assert agreement > 0.999
    far = np.outer([20.0, 40.0, 80.0], np.ones(6)).astype(np.float32)
    assert (np.diff(model.score(far)) > 100).all()
    assert np.isfinite(model.score(far)).all()


def test_more_than_a_few_hundred_places_are_looked_at() -> None:
    places = 10.0 * np.argwhere(np.ones((30, 30)))
    assert len(suppress_non_maxima(places, np.arange(900.0), 6.0)) == 900


@pytest.mark.parametrize("silent", [0.0, 0.5, 0.78, 0.88, 0.95])
def test_bulk_tells_the_tail_though_most_patches_tell_nothing(silent: float) -> None:
    """A filter that scores most patches zero must not look as if its scores ended there."""
    rng = np.random.default_rng(0)
    scores = np.where(rng.random(20_000) < silent, 0.0, rng.exponential(1.1, 20_000))
    threshold = bulk_tail(scores).score_at(1e-7)
    assert threshold == pytest.approx(1.1 * np.log((1 - silent) / 1e-7), rel=0.15)


def test_bulk_does_not_heed_a_few_defects() -> None:
    rng = np.random.default_rng(1)
    scores = np.where(rng.random(20_000) < 0.6, 0.0, rng.exponential(1.1, 20_000))
    clean = bulk_tail(scores).score_at(1e-7)
    scores[:300] = 80.0
    assert bulk_tail(scores).score_at(1e-7) == pytest.approx(clean, rel=0.15)
