"""similarity/sparse: codes that are known are recognised, held-out images stay held out, and claims can fail."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from layerlab import lab
from layerlab.experiments.similarity import _predicting
from layerlab.experiments.similarity._predicting import CODES, METHODS, PENALTIES, Scaled, codes, parts, predictions

EXPERIMENT = lab.get("similarity/sparse")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=3, samples=300, seeds=2), "cpu")


def three(x, y):
    """The same two layers in three parts."""
    at = [len(x) // 2, 3 * len(x) // 4]
    return list(zip(np.split(x, at), np.split(y, at), strict=True))


@pytest.fixture(scope="module")
def units():
    return np.random.default_rng(0).normal(size=(2400, 24))


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda x, rng: x[:, ::-1] * 3 + 1, "local"),
        (lambda x, rng: x + np.roll(x, 1, 1) + np.roll(x, 2, 1), "slightly distributed"),
        (lambda x, rng: x @ ortho_group.rvs(24, random_state=1), "fully distributed"),
        (lambda x, rng: rng.normal(size=x.shape), "not predicted"),
    ],
)
def test_codes_that_are_known_are_recognised(units, made, code):
    found = predictions(*three(units, made(units, np.random.default_rng(2))))
    assert found["codes"][CODES.index(code)] > 0.75  # by chance a unit can vary less in one part than in another
    chosen = dict(zip(METHODS, found["chosen"], strict=True))
    if code == "local":
        assert max(chosen.values()) < 0.01
    elif code == "not predicted":
        assert min(chosen.values()) > 0.95
    else:
        assert chosen["least squares"] < 1e-9
        assert chosen["best unit"] > 0.5


def test_fewest_units_that_explain_nine_tenths_of_what_can_be():
    error = np.array([[0.25, 0.5, 0.9, 0.99], [0.2, 0.3, 0.5, 0.98], [0.19, 0.29, 0.2, 0.97]])
    used = np.array([[1, 1, 1, 1], [4, 5, 4, 5], [20, 20, 20, 20]])
    np.testing.assert_allclose(codes(error, used, 20), [0.25, 0.25, 0.25, 0.25])


def test_ridge_and_refitting_agree_with_what_others_compute(units):
    rng = np.random.default_rng(3)
    y = units @ rng.normal(size=(24, 5)) + rng.normal(size=(2400, 5))
    fit, *_ = three(units, y)
    single = Scaled(fit)
    x, target = ((each - each.mean(0)) / each.std(0) for each in fit)
    other = Ridge(alpha=0.1 * len(x), fit_intercept=False).fit(x, target).coef_.T
    np.testing.assert_allclose(single.ridge(0.1), other, atol=1e-9)
    mask = rng.random((24, 5)) < 0.3
    refitted = single.refitted(mask.astype(float))
    for j in range(5):
        expected = np.linalg.lstsq(x[:, mask[:, j]], target[:, j], rcond=None)[0]
        np.testing.assert_allclose(refitted[mask[:, j], j], expected, atol=1e-9)
        assert not refitted[~mask[:, j], j].any()
    np.testing.assert_allclose(single.error(refitted, fit), ((x @ refitted - target) ** 2).mean(0), atol=1e-9)


def test_all_positions_of_an_image_are_in_one_part():
    image = np.repeat(np.arange(40.0), 9)[:, None]
    found = parts([image, -image], 40, 100, np.random.default_rng(0))
    assert [len(x) for x, _ in found] == [100, 50, 50]
    sets = [set(x.ravel()) for x, _ in found]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    for x, y in found:
        np.testing.assert_array_equal(x, -y)
        assert len({*parts([np.arange(360.0)[:, None]] * 2, 40, 100, np.random.default_rng(0))[0][0].ravel()}) == 100


def test_units_that_do_not_vary_are_left_out(units):
    x, y = units[:, :6].copy(), units[:, :6].copy()
    x[:, 0], y[:, 1] = 2, 0
    found = predictions(*three(x, y))
    assert np.isfinite(found["error"]).all()
    assert found["used"].max() <= 1
    assert found["chosen"][METHODS.index("least squares")] < 1e-9  # the median: unit 0 alone has lost its source
    assert found["codes"][CODES.index("not predicted")] == pytest.approx(1 / 5)


def test_what_is_measured(run):
    result = run.result
    assert result["error"].dims == ("moment", "layer", "seed", "strength")
    assert sorted(result["strength"].values) == sorted(PENALTIES)
    np.testing.assert_allclose(result["codes"].sum("code"), 1, atol=1e-6)
    least = result["chosen"].sel(prediction="least squares")
    np.testing.assert_allclose(least, result["error"].sel(strength=0.0), atol=1e-6)
    assert (result["used"].diff("strength") >= -1e-6).all()
    assert result["used"].max() <= 1
    assert run.provenance.data["digits"].startswith("sha256:")
    assert _predicting.FEW < 1


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        (0, "chosen", lambda x: x + (x["prediction"] == "sparse")),
        (1, "chosen", lambda x: x + (x["prediction"] == "sparse")),
        (2, "chosen", lambda x: x - (x["layer"] == "convolution 3")),
        (3, "codes", lambda x: x * 0 + (x["code"] == "fully distributed")),
        (4, "codes", lambda x: x * 0 + (x["code"] == "fully distributed")),
        (5, "chosen", lambda x: x + (x["moment"] == "after training")),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, claim, variable, change):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[claim].check(wrong).holds


def test_disputed_claims_can_hold(run):
    local = run.result.assign(codes=run.result["codes"] * 0 + (run.result["code"] == "local"))
    assert EXPERIMENT.claims[3].check(local).holds
    chosen = run.result["chosen"]
    assert (
        EXPERIMENT.claims[1].check(run.result.assign(chosen=chosen + (chosen["prediction"] == "least squares"))).holds
    )
