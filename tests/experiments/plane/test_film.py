"""plane/film, its stages and plane/clusters: counted rightly, and their claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import clusters
from layerlab.experiments.plane._stages import stages
from layerlab.information import entropy
from layerlab.lab import style

FILM, CLUSTERS = lab.get("plane/film"), lab.get("plane/clusters")


@pytest.fixture(scope="module")
def film():
    return lab.Store().load(FILM, FILM.config(epochs=1000)).result


@pytest.fixture(scope="module")
def clustered():
    return lab.Store().load(CLUSTERS, CLUSTERS.config(epochs=1000)).result


def test_stages_of_curves_whose_stages_are_known():
    found = stages(np.array([[3.0, 2, 5, 4, 0.4, 0], [1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5]]))
    assert found.change.tolist() == [2, 0, 5]
    assert found.settled.tolist() == [4, 0, 5]
    assert found.rise.tolist() == [3, 0, 5]
    assert found.fall.tolist() == [5, 0, 0]


@pytest.mark.parametrize("curves", [np.zeros(3), np.zeros((2, 0)), np.array([[np.nan, 1.0]])])
def test_stages_of_no_curves_are_refused(curves):
    with pytest.raises(ValueError, match="i_xt must be finite curves"):
        stages(curves)


def test_a_run_keeps_every_network_and_begins_where_all_inputs_have_their_own_cell():
    result = lab.execute(FILM, FILM.config(epochs=10, seeds=3, bins=100), "cpu").result
    assert dict(result["i_xt"].sizes) == {"seed": 3, "epoch": 11, "layer": 6}
    np.testing.assert_allclose(result["i_xt"].sel(layer=1), 12, atol=1e-6)
    np.testing.assert_allclose(result["i_ty"].sel(layer=1), entropy(np.array([2118, 1978]) / 4096), atol=1e-5)
    assert float((result["i_ty"] - result["i_xt"]).max()) < 1e-6


def test_every_point_of_the_film_moves_and_ends_where_it_is_drawn(film):
    with style.context():
        figure = FILM.plot(film)
    moving = style.film_of(figure)
    assert moving.at == tuple(float(e) for e in film["epoch"])
    assert sum(xy.shape[1] for _, xy in moving.tracks) == 7 * film.sizes["seed"]
    for artist, xy in moving.tracks:
        at = (artist.axes.transData - artist.axes.transAxes).transform(artist.get_offsets())
        np.testing.assert_allclose(at, xy[-1], atol=1e-6)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("i_xt", lambda x: x.isel(epoch=-1) + 0 * x - x["epoch"] * 1e-3, 0),  # only falls
        ("i_xt", lambda x: x.isel(epoch=-1) + 0 * x + x["epoch"] * 1e-3, 1),  # only rises
        ("i_ty", lambda x: x.isel(epoch=slice(None, None, -1)).assign_coords(epoch=x["epoch"]), 2),
        ("i_xt", lambda x: x * 0 + (x["epoch"] == 1000) + x["epoch"] * 1e-4, 3),  # the change comes last
    ],
)
def test_a_film_that_runs_otherwise_makes_its_claim_fail(film, variable, change, falls):
    assert FILM.claims[falls].check(film).holds
    wrong = film.assign({variable: change(film[variable]).transpose(*film[variable].dims)})
    assert not FILM.claims[falls].check(wrong).holds


def test_layers_that_stand_still_would_be_a_final_state(film):
    assert not FILM.claims[4].check(film).holds
    assert FILM.claims[4].check(film.assign(i_xt=film["i_xt"] * 0)).holds


def test_a_short_film_says_nothing_about_the_end():
    short = lab.Store().load(FILM, FILM.config(epochs=100, seeds=10)).result
    assert [c.check(short) is None for c in FILM.claims] == [False, True, False, True, True]


def test_distances_within_and_between_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    t = np.tanh(rng.standard_normal((2, 40, 3)) + 0.3 * y[:, None])
    i_xt, apart, cells, saturated = clusters.measures(t, y, 4)
    for k in range(2):
        squares = ((t[k][:, None] - t[k][None]) ** 2).sum(-1)
        within = np.mean([squares[np.ix_(y == c, y == c)].mean() for c in (0, 1)])
        assert apart[k] == pytest.approx(within / squares[np.ix_(y == 0, y == 1)].mean())
        assert cells[k] == len(np.unique(np.floor((t[k] + 1) * 2), axis=0))
        assert i_xt[k] <= np.log2(cells[k])
        assert saturated[k] == pytest.approx((abs(t[k]) > 0.95).mean())


def test_the_picture_keeps_the_distances_that_two_directions_can_keep():
    rng = np.random.default_rng(1)
    two = rng.standard_normal((3, 20, 2))
    turned = two @ np.linalg.qr(rng.standard_normal((3, 3)))[0][:2]
    flat = clusters.flat(turned)
    np.testing.assert_allclose(
        np.linalg.norm(flat[0, 0] - flat[2, 5]), np.linalg.norm(two[0, 0] - two[2, 5]), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("apart", lambda x: 1 - x, 0),
        ("saturated", lambda x: 1 - x, 2),
        ("cells", lambda x: x * 0 + 2, 3),
    ],
)
def test_clusters_that_form_otherwise_make_their_claim_fail(clustered, variable, change, falls):
    assert CLUSTERS.claims[falls].check(clustered).holds
    wrong = clustered.assign({variable: change(clustered[variable])})
    assert not CLUSTERS.claims[falls].check(wrong).holds


def test_clusters_that_dissolve_while_information_rises_would_bear_the_lecture_out(clustered):
    assert not CLUSTERS.claims[1].check(clustered).holds
    assert CLUSTERS.claims[1].check(clustered.assign(apart=1 - clustered["apart"])).holds
