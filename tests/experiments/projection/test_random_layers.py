"""What random layers do to angles and neighbours."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.projection import _mean_field
from layerlab.projection import relu_angle, tanh_kernel

EXPERIMENT = lab.get("projection/random_layers")
SMALL = {"width": 64, "depth": 3, "points": 50, "seeds": 4}


@pytest.fixture(scope="module")
def runs():
    made = {}
    for name, fields in {
        "relu": {"activation": "relu"},
        "linear": {"activation": "linear"},
        "order": {"activation": "tanh", "gain": 0.8, "bias": 0.3},
        "chaos": {"activation": "tanh", "gain": 3.0},
    }.items():
        made[name] = lab.execute(EXPERIMENT, EXPERIMENT.config(**SMALL, **fields), "cpu")
    return made


def evidence(result, start):
    (claim,) = [claim for claim in EXPERIMENT.claims if claim.statement.startswith(start)]
    return claim.check(result)


def test_claims_hold(runs):
    for name, run in runs.items():
        for claim, found in run.evidence():
            if found is not None and not claim.disputed:
                assert found.holds, (name, claim.statement, found)


def test_order_and_chaos_go_opposite_ways(runs):
    order, chaos = runs["order"].result, runs["chaos"].result
    assert order["slope"] < 1 < chaos["slope"]
    assert evidence(order, "Near pairs").relation == "≤" and evidence(chaos, "Near pairs").relation == "≥"
    assert evidence(runs["linear"].result, "Near pairs") is None
    assert (order["angle"].isel(layer=-1) < order["angle"].isel(layer=0)).all()
    assert (chaos["angle"].isel(layer=-1) > chaos["angle"].isel(layer=0)).all()


def test_the_input_is_layer_zero(runs):
    result = runs["relu"].result
    np.testing.assert_allclose(
        result["angle"].isel(layer=0), result["angle_theory"].isel(layer=0).expand_dims(seed=4), rtol=1e-4
    )
    np.testing.assert_allclose(result["overlap"].isel(layer=0), 1)
    assert result["knn"].isel(layer=0).std() == 0


@pytest.mark.parametrize(
    ("start", "corrupt"),
    [
        ("The mean angle after", lambda r: r.assign(angle_theory=r["angle_theory"] + 30)),
        ("In the first layer", lambda r: r.assign(deviation_theory=r["deviation_theory"] * 20)),
        ("ReLU layers draw", lambda r: r.assign(angle=r["angle"].copy(data=r["angle"].values[:, ::-1]))),
        ("Near pairs", lambda r: r.assign(angle=r["angle"].copy(data=r["angle"].values[:, ::-1]))),
        ("Random initialisation keeps", lambda r: r.assign(knn=r["knn"] - 0.2 * r["layer"])),
    ],
)
def test_claims_can_fail(runs, start, corrupt):
    assert not evidence(corrupt(runs["relu"].result), start).holds


def test_narrow_deep_layers_are_not_held_to_the_theory_of_wide_ones(runs):
    narrow = runs["relu"].result.assign_attrs(width=16)
    assert evidence(narrow, "The mean angle after") is None and evidence(narrow, "Near pairs") is None


def test_figure_and_words(runs):
    result = runs["chaos"].result
    assert len(lab.draw(EXPERIMENT, result).axes) == 2
    assert "3 random tanh layers of 64 units, gain 3" in EXPERIMENT.describe(result)


def test_dead_layers_leave_no_hole_in_the_run():
    config = EXPERIMENT.config(width=8, depth=20, points=50, seeds=2, gain=0.3)
    result = lab.execute(EXPERIMENT, config, "cpu").result
    assert np.isfinite(result["knn"]).all() and result.sizes["layer"] == 21


class TestMeanField:
    start = np.linspace(0.05, 3.1, 40)

    def test_relu_is_the_arc_cosine_map(self):
        theory = _mean_field.follow("relu", 1.7, 0.0, 6, self.start)
        for depth in (1, 6):
            np.testing.assert_allclose(theory.angles[depth], relu_angle(self.start, depth), atol=5e-4)
        np.testing.assert_allclose(theory.squares, 1.7 ** (2 * np.arange(7)))
        assert theory.slope == pytest.approx(1.7**2)

    def test_linear_keeps_angles(self):
        theory = _mean_field.follow("linear", 0.5, 0.0, 4, self.start)
        np.testing.assert_allclose(theory.angles, np.tile(self.start, (5, 1)), atol=1e-6)

    def test_biases_pull_together(self):
        with_bias = _mean_field.follow("linear", 1.0, 1.0, 1, np.array([np.pi / 2]))
        assert np.cos(with_bias.angles[1]) == pytest.approx(0.5, abs=1e-6)  # (0 + 1) / (1 + 1)

    @pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
    def test_moments_against_random_numbers(self, activation):
        theta, q, rng = 0.8, 1.3, np.random.default_rng(7)
        z = rng.standard_normal((2, 400_000))
        u, v = np.sqrt(q) * z[0], np.sqrt(q) * (np.cos(theta) * z[0] + np.sin(theta) * z[1])
        phi = {"linear": lambda a: a, "relu": lambda a: np.maximum(a, 0), "tanh": np.tanh}[activation]
        products = phi(u) * phi(v)
        first = _mean_field.expected_product(activation, np.array([theta]), q)[0]
        second = _mean_field.expected_square(activation, np.array([theta]), q)[0]
        assert products.mean() == pytest.approx(first, abs=5 * products.std() / 630)
        assert (products**2).mean() == pytest.approx(second, abs=5 * (products**2).std() / 630)

    def test_slope_is_the_derivative_of_the_kernel(self):
        q, weight, step = 0.9, 2.0, 1e-4
        theta = np.arccos([1 - 2 * step, 1 - step])
        low, high = weight * tanh_kernel(theta, q)
        assert (high - low) / (q * step) == pytest.approx(_mean_field.slope("tanh", weight, q), rel=1e-3)
