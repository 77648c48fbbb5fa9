"""What one layer does to distances."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist

from layerlab import lab
from layerlab.experiments.projection import layer_distances
from layerlab.experiments.projection._pairs import Pairs, between_share
from layerlab.projection import arc_cosine_kernel

EXPERIMENT = lab.get("projection/layer_distances")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("LAYERLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
    made = {
        activation: lab.execute(
            EXPERIMENT, EXPERIMENT.config(activation=activation, width=48, points=120, epochs=6, seeds=3), "cpu"
        )
        for activation in ("relu", "linear")
    }
    patch.undo()
    return made


@pytest.fixture
def relu(runs) -> xr.Dataset:
    return runs["relu"].result


def evidence(result, start):
    (claim,) = [claim for claim in EXPERIMENT.claims if claim.statement.startswith(start)]
    return claim.check(result)


def test_claims_hold_but_for_the_disputed_one(runs):
    for run in runs.values():
        for claim, found in run.evidence():
            if found is not None and not claim.disputed:
                assert found.holds, (claim.statement, found)
    assert any(claim.disputed and not found.holds for claim, found in runs["linear"].evidence())


def test_linear_theory_is_one(runs):
    result = runs["linear"].result
    np.testing.assert_array_equal(result["expected_factor"], 1)
    assert evidence(result, "A random ReLU layer shrinks") is None
    assert evidence(result, "A random linear layer").expected == 1


def test_relu_factors_of_images_lie_between_the_proved_bounds(relu):
    assert 1 - 1 / np.pi <= relu["lowest_expected"] <= relu["expected_factor"].min() <= 1
    within, between = relu["expected_factor"].sel(pair=["within", "between"]).values
    assert within > between


@pytest.mark.parametrize(
    ("start", "corrupt"),
    [
        ("A random ReLU layer shrinks", lambda r: r.assign(factor=r["factor"] * 2)),
        ("One pair's factor", lambda r: r.assign(deviation=r["deviation"] * 9 + np.arange(3) * 1e-6)),
        ("In a random layer the factors", lambda r: r.assign(expected_factor=r["expected_factor"] * [1, 2, 1])),
        ("A trained layer shrinks", lambda r: r.assign(factor=r["factor"] * xr.DataArray([1, 3, 1], dims="pair"))),
        ("Groups are clearer", lambda r: r.assign(merit=xr.zeros_like(r["merit"]) + r["merit"].sel(place="input"))),
    ],
)
def test_claims_can_fail(relu, start, corrupt):
    assert evidence(relu, start).holds
    worse = corrupt(relu.copy(deep=True))
    if start.startswith("Groups are"):
        worse["merit"].loc[{"place": "trained"}] -= 0.1
    assert not evidence(worse, start).holds


def test_width_decides_which_claims_are_tested(relu):
    assert evidence(relu, "Groups survive") is None
    wide = relu.copy(deep=True).assign_attrs(width=256)
    wide["merit"].loc[{"place": "random"}] = wide["merit"].sel(place="input")
    assert evidence(wide, "Groups survive").holds
    wide["merit"].loc[{"place": "random", "measure": "knn"}] = 0.5
    assert not evidence(wide, "Groups survive").holds


def test_figure_words_and_table(relu):
    figure = lab.draw(EXPERIMENT, relu)
    assert len(figure.axes) == 4
    assert "48 units" in EXPERIMENT.describe(relu)
    table = layer_distances.table(relu)
    row = table[(table["place"] == "trained") & (table["measure"] == "mean factor, within")].iloc[0]
    assert row["mean"] == pytest.approx(float(relu["factor"].sel(stage="trained", pair="within").mean()))
    assert (table["lowest seed"] <= table["highest seed"]).all()


class TestPairs:
    x = np.abs(np.random.default_rng(3).standard_normal((30, 7)))
    y = np.arange(30) % 3

    def test_mean_of_the_units_is_the_mean_factor(self):
        h = np.random.default_rng(4).standard_normal((30, 5))
        pairs = Pairs(self.x, self.y)
        factor = pairs.factor(h)
        np.testing.assert_allclose(factor, pdist(h, "sqeuclidean") / pdist(self.x, "sqeuclidean"))
        for kind, values in pairs.unit_factors(h).items():
            assert values.shape == (5,)
            assert values.mean() == pytest.approx(factor[pairs.masks[kind]].mean())

    def test_expected_is_the_arc_cosine_formula(self):
        a, b = self.x[:2]
        theta = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        after = a @ a + b @ b - 2 * lengths * arc_cosine_kernel(theta, 1)
        assert Pairs(self.x, self.y).expected("relu")[0] == pytest.approx(after / np.sum((a - b) ** 2))

    def test_pairs_without_a_ratio_are_left_out(self):
        x = self.x.copy()
        x[1], x[2] = x[0], 0
        pairs = Pairs(x, self.y)
        assert pairs.masks["all"].sum() == 30 * 29 / 2 - 1 - 29
        assert np.isfinite(pairs.expected("relu")).all()
        assert pairs.factor(3 * x)[pairs.masks["all"]] == pytest.approx(9)
        assert pairs.spread(pairs.factor(3 * x)) == pytest.approx(0, abs=1e-6)

    def test_bands_of_an_isometry_lie_on_the_diagonal(self):
        x = np.random.default_rng(5).standard_normal((150, 4))
        pairs = Pairs(x, np.arange(150) % 2, bins=8)
        bands = pairs.bands(pairs.factor(-x))
        half = np.diff(pairs.edges) / 2
        centres = (pairs.edges[1:] + pairs.edges[:-1]) / 2
        filled = ~np.isnan(bands[..., 1])
        assert filled.sum() > 10
        assert (abs(bands[..., 1] - centres)[filled] <= np.broadcast_to(half * 1.001, filled.shape)[filled]).all()

    def test_share_between_classes(self):
        assert between_share(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1])) == 1
        assert between_share(np.array([[0.0], [2.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])) == pytest.approx(1 / 5)
