"""similarity/weights: the formulas are what they are said to be, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import _weightings as by
from layerlab.similarity import basis, pwcca

EXPERIMENT = lab.get("similarity/weights")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=300, epochs=10, seeds=3)
    return lab.execute(EXPERIMENT, config, "cpu")


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6)) + 1, 0)
    return x, np.maximum(x @ rng.standard_normal((6, 5)) + rng.standard_normal((300, 5)), 0)


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 7


def test_the_unwhitened_weights_are_those_of_the_covariance_way(pair):
    """By the symmetric root of the covariance, as the program has it, with its signs."""
    x, y = pair
    c = np.cov(x.T, y.T)
    roots = []
    for block in (c[:6, :6], c[6:, 6:]):
        values, vectors = np.linalg.eigh(block)
        roots.append(vectors / np.sqrt(values) @ vectors.T)
    u, rho, _ = np.linalg.svd(roots[0] @ c[:6, 6:] @ roots[1], full_matrices=False)
    means = x.mean(0)[:, None]
    rows = u.T @ (x.T - means) + means[:5]
    weights = abs(np.linalg.qr(rows.T)[0].T @ x).sum(1)
    found, bx = pwcca(x, y), basis(x)
    turn = bx.directions @ (bx.vectors.T @ found.variates_x)
    signs = np.sign((turn * u).sum(0))
    np.testing.assert_allclose(by.unwhitened(x, bx, found, signs), weights / weights.sum(), atol=1e-9)
    np.testing.assert_allclose(found.coefficients, rho, atol=1e-9)


def test_over_samples_is_the_length_of_the_variates_before_centring(pair):
    x, y = pair
    found = pwcca(x, y)
    shifted = found.variates_x + x.mean(0) @ found.directions_x
    expected = abs(shifted).sum(0)
    np.testing.assert_allclose(by.over_samples(x, found), expected / expected.sum(), atol=1e-9)


def test_the_papers_weights_are_the_librarys_and_sum_to_one(pair):
    x, y = pair
    found = pwcca(x, y)
    expected = abs(found.variates_x.T @ (x - x.mean(0))).sum(1)
    np.testing.assert_allclose(by.paper(found), expected / expected.sum())
    for weights in (by.paper(found), by.unwhitened(x, basis(x), found), by.over_samples(x, found)):
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()


def test_dropping_the_tail_counts_the_leading_ones():
    assert by.tail_dropped(np.array([1.0, 0.9, 0.05, 0.01])) == pytest.approx((1 + 0.9 + 0.05) / 3)
    assert by.tail_dropped(np.ones(4)) == 1


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("case", by.CASES)
def test_the_constructed_layers_are_what_they_are_called(case, ratio):
    x, y = by.constructed(case, ratio)
    found = pwcca(x, y)
    np.testing.assert_allclose(found.coefficients, [1, 0], atol=1e-12)
    assert x[:, 1].std() / x[:, 0].std() == pytest.approx(ratio)
    assert abs(x.mean(0)).max() < 1e-12
    assert found.similarity == pytest.approx(by.closed(case, "paper", ratio))


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("by_code", lambda x: x + 0.01, 0),
        ("rank_correlation", lambda x: -x, 1),
        ("similarity", lambda x: x - 0.5 * (x["measure"] == "PWCCA"), 2),
        ("similarity", lambda x: x - 0.9 * (x["measure"] == "PWCCA, other side"), 3),
        ("similarity", lambda x: x * 0 + 0.5, 4),
        ("centred", lambda x: x + 0.1, 5),
        ("similarity", lambda x: x - 0.5 * (x["measure"] == "tail dropped"), 6),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds
