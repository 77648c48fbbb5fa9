"""Critical betas agree with closed forms, with the curvature of the loss and the iteration; births are seen, too."""

import numpy as np
import pytest

from layerlab.information import (
    best_newcomer,
    bottleneck_clusters,
    bottleneck_loss,
    bottleneck_step,
    critical_betas,
    find_bifurcations,
    follow_branches,
    information_bottleneck,
    newcomer_growth,
    onset,
    split_matrix,
)


def channel(flip, one=0.5):
    """A binary symmetric channel with P(X=1) = one."""
    return np.array([[1 - one], [one]]) * np.array([[1 - flip, flip], [flip, 1 - flip]])


def random_joint(seed, shape=(7, 4)):
    return np.random.default_rng(seed).dirichlet(np.full(shape[0] * shape[1], 0.5)).reshape(shape)


def split_in_two(joint, encoder, cluster, direction, size):
    """The encoder with one cluster in two equal halves, p(x|t) (1 +- size direction)."""
    half = encoder[:, cluster] / 2
    rest = np.delete(encoder, cluster, axis=1)
    return np.c_[rest, half * (1 + size * direction), half * (1 - size * direction)]


def centred(joint, encoder, cluster, seed=0):
    """A random direction that leaves the masses of the halves equal."""
    weight = joint.sum(1) * encoder[:, cluster]
    direction = np.random.default_rng(seed).uniform(-1, 1, len(joint))
    return direction - weight @ direction / weight.sum()


@pytest.mark.parametrize("flip", [0.0, 0.05, 0.1, 0.25, 0.4])
def test_the_binary_symmetric_channel(flip):
    assert critical_betas(channel(flip)) == pytest.approx([1 / (1 - 2 * flip) ** 2])


def test_ten_per_cent_flipped_gives_25_sixteenths():
    assert critical_betas(channel(0.1))[0] == pytest.approx(1.5625)


@pytest.mark.parametrize("erased", [0.0, 0.3, 0.9])
def test_the_erasure_channel(erased):
    joint = 0.5 * np.array([[1 - erased, 0, erased], [0, 1 - erased, erased]])
    assert critical_betas(joint) == pytest.approx([1 / (1 - erased)])
    assert onset(joint).beta == pytest.approx(1 / (1 - erased))


def test_independent_variables_never_split():
    joint = np.outer([0.2, 0.3, 0.5], [0.6, 0.3, 0.1])
    assert np.isinf(critical_betas(joint)).all()
    found = onset(joint)
    assert np.isinf(found.beta)
    assert not found.first_order


def test_relabelling_and_the_exchange_of_x_and_y_change_nothing():
    joint, generator = random_joint(1), np.random.default_rng(0)
    other = joint[generator.permutation(7)][:, generator.permutation(4)]
    betas = critical_betas(joint)
    assert betas.shape == (3,)
    assert (np.diff(betas) > 0).all()
    assert critical_betas(other) == pytest.approx(betas)
    assert critical_betas(joint.T) == pytest.approx(betas)  # the maximal correlation is symmetric


@pytest.mark.parametrize("seed", range(3))
def test_both_matrices_are_markov_and_share_their_eigenvalues(seed):
    joint = random_joint(seed)
    encoder = np.random.default_rng(seed).dirichlet(np.ones(3), size=7)
    for t in range(3):
        small, large = (split_matrix(joint, encoder, t, side=side) for side in ("y", "x"))
        for matrix in (small, large):
            assert matrix.min() >= 0
            assert matrix.sum(1) == pytest.approx(1)
        values = [np.sort(np.linalg.eigvals(matrix).real)[::-1] for matrix in (small, large)]
        assert values[0][0] == pytest.approx(1)
        assert values[1][:4] == pytest.approx(values[0])
        assert values[1][4:] == pytest.approx(0, abs=1e-12)
        assert critical_betas(joint, encoder)[t] == pytest.approx(1 / values[0][1:])


def test_the_matrices_are_those_of_the_lecture():
    joint = random_joint(5)
    encoder = np.random.default_rng(5).dirichlet(np.ones(2), size=7)
    _, decoder = bottleneck_clusters(joint, encoder)
    inside = joint.sum(1) * encoder[:, 1] / (joint.sum(1) @ encoder[:, 1])
    cond = joint / joint.sum(1, keepdims=True)
    c_x = np.einsum("xy,y,w,wy->xw", cond, 1 / decoder[1], inside, cond)
    c_y = np.einsum("xy,y,x,xz->yz", cond, 1 / decoder[1], inside, cond)
    assert split_matrix(joint, encoder, 1, side="x") == pytest.approx(c_x)
    assert split_matrix(joint, encoder, 1, side="y") == pytest.approx(c_y)


@pytest.mark.parametrize("trivial", [True, False])
def test_the_loss_has_the_curvature_that_the_eigenproblem_says(trivial):
    joint, beta = random_joint(2), 3.0
    encoder = np.ones((7, 1)) if trivial else np.random.default_rng(2).dirichlet(np.ones(2), size=7)
    direction, size = centred(joint, encoder, 0), 1e-3
    inside = joint.sum(1) * encoder[:, 0]
    c_x = split_matrix(joint, encoder, 0, side="x")
    said = (inside * direction) @ (direction - beta * c_x @ direction) / np.log(2)
    start = bottleneck_loss(joint, split_in_two(joint, encoder, 0, direction, 0), beta)
    moved = bottleneck_loss(joint, split_in_two(joint, encoder, 0, direction, size), beta)
    assert 2 * (moved - start) / size**2 == pytest.approx(said, rel=1e-3)


@pytest.mark.parametrize("beta", [0.5, 1.5, 4.0])
def test_a_perturbation_grows_by_beta_lambda_in_each_iteration(beta):
    joint = random_joint(3)
    encoder = np.ones((7, 1))
    values, vectors = np.linalg.eig(split_matrix(joint, side="x"))
    second = np.argsort(-values.real)[1]
    direction = vectors[:, second].real / np.abs(vectors[:, second].real).max()
    size = 1e-5
    after = bottleneck_step(joint, split_in_two(joint, encoder, 0, direction, size), beta)
    grown = (after[:, 0] - after[:, 1]) / size
    assert grown == pytest.approx(beta / critical_betas(joint)[0] * direction, abs=1e-4)


def test_a_cluster_without_mass_is_nan_and_a_tensor_gives_a_tensor():
    torch = pytest.importorskip("torch")
    joint = random_joint(4)
    encoder = np.c_[np.ones((7, 1)), np.zeros((7, 1))]
    betas = critical_betas(joint, encoder)
    assert betas[0] == pytest.approx(critical_betas(joint))
    assert np.isnan(betas[1]).all()
    tensor = critical_betas(torch.from_numpy(joint), encoder)
    assert isinstance(tensor, torch.Tensor)
    assert tensor[0].numpy() == pytest.approx(betas[0])


@pytest.mark.parametrize(("one", "flip"), [(0.4, 0.1), (0.2, 0.05), (0.1, 0.2)])
def test_the_onset_of_a_lopsided_channel_has_a_closed_form_and_comes_early(one, flip):
    joint = channel(flip, one)
    found, p_y = onset(joint), joint.sum(0)
    log_odds_x, log_odds_y = np.log((1 - one) / one), np.log(p_y[0] / p_y[1])
    assert found.beta == pytest.approx(log_odds_x / ((1 - 2 * flip) * log_odds_y), rel=1e-6)
    assert found.split == pytest.approx(critical_betas(joint)[0])
    assert found.first_order
    assert found.beta < found.split
    assert found.input == pytest.approx([one, 1 - one], abs=1e-3)  # the input distribution, mirrored


@pytest.mark.parametrize("seed", range(4))
def test_no_distribution_that_is_drawn_has_a_smaller_ratio_than_the_onset(seed):
    joint = random_joint(seed, (5, 3))
    p_x, cond = joint.sum(1), joint / joint.sum(1, keepdims=True)
    found = onset(joint)
    q = np.random.default_rng(seed).dirichlet(np.full(5, 0.4), size=20_000)
    above = (q * np.log(np.maximum(q, 1e-300) / p_x)).sum(1)
    below = ((q @ cond) * np.log((q @ cond) / (p_x @ cond))).sum(1)
    assert found.beta <= (above / below).min() * (1 + 1e-9)
    assert 1 <= found.beta <= found.split


@pytest.mark.parametrize("one", [0.5, 0.3])
def test_on_either_side_of_the_onset_the_optimum_is_and_is_not_trivial(one):
    joint = channel(0.1, one)
    beta = onset(joint).beta
    below, above = best_newcomer(joint, None, 0.98 * beta)[0], best_newcomer(joint, None, 1.02 * beta)[0]
    assert below == pytest.approx(0, abs=1e-12)
    assert above > 1e-5
    found = information_bottleneck(joint, [0.98 * beta, 1.02 * beta])
    assert found.i_ty[0] == pytest.approx(0, abs=1e-9)
    assert found.i_ty[1] > 1e-4


def test_a_newcomer_grows_as_the_iteration_says_and_not_at_all_where_clusters_are():
    joint, beta = random_joint(6, (6, 3)), 6.0
    encoder = information_bottleneck(joint, [beta], clusters=2, tolerance=1e-12).encoder[0]
    masses, decoder = bottleneck_clusters(joint, encoder)
    assert newcomer_growth(joint, encoder, beta, decoder) == pytest.approx(1, abs=1e-9)
    r, small = np.array([[0.5, 0.25, 0.25]]), 1e-8
    cond = joint / joint.sum(1, keepdims=True)
    weights = np.r_[masses, small] * np.exp(beta * cond @ np.log(np.r_[decoder, r]).T)
    share = (weights / weights.sum(1, keepdims=True))[:, -1]
    assert newcomer_growth(joint, encoder, beta, r)[0] == pytest.approx(joint.sum(1) @ share / small, rel=1e-5)


def test_the_growth_is_flat_at_a_cluster_with_the_curvature_beta_times_beta_lambda_minus_one():
    joint, beta, size = channel(0.1), 2.0, 1e-4
    decoder = np.array([[0.5 * (1 + s * size), 0.5 * (1 - s * size)] for s in (-1, 0, 1)])
    left, middle, right = np.log(newcomer_growth(joint, None, beta, decoder))
    assert (left - 2 * middle + right) / size**2 == pytest.approx(beta * (beta / 1.5625 - 1), rel=1e-3)


def graded(sharpness=1.0, levels=9):
    """A balanced joint whose p(y=1|x) rises in equal steps of log odds: x and y can both be reversed."""
    p = 1 / (1 + np.exp(-sharpness * np.linspace(-3, 3, levels)))
    return np.c_[1 - p, p] / levels


@pytest.fixture(scope="module")
def branches():
    return follow_branches(graded(), np.geomspace(1, 8, 16))


def test_a_followed_branch_is_optimal_at_every_beta(branches):
    assert (np.diff(branches.beta) > 0).all()
    assert (np.diff(branches.i_ty) > -1e-12).all()
    assert branches.growth.max() <= 1e-9
    assert branches.residual.max() <= 1e-12
    other = information_bottleneck(graded(), branches.beta)
    loss = branches.i_xt - branches.beta * branches.i_ty
    assert (loss <= other.loss + 1e-9).all()
    assert loss == pytest.approx(other.loss, abs=1e-6)
    alive = branches.masses > 0
    assert (branches.critical[alive] > np.broadcast_to(branches.beta[:, None], alive.shape)[alive]).all()


def test_the_first_bifurcation_is_a_split_and_the_second_a_birth(branches):
    first, second = find_bifurcations(branches)
    assert (first.before, first.after, second.before, second.after) == (1, 2, 2, 3)
    assert first.split == pytest.approx(critical_betas(graded())[0], rel=1e-5)
    assert first.birth == pytest.approx(first.split, rel=1e-4)
    assert first.distance < 0.01
    assert second.birth < 0.95 * second.split
    assert second.distance > 0.1
    for event in (first, second):
        assert event.found == pytest.approx(event.birth, rel=2e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: critical_betas([[0.5, 0.6]]), "p_xy must sum to 1"),
        (lambda: critical_betas(channel(0.1), np.ones((3, 1))), "encoder must be of shape"),
        (lambda: split_matrix(channel(0.1), side="z"), "side must be 'x' or 'y'; it was 'z'"),
        (lambda: split_matrix(channel(0.1), None, 1), "cluster must be one of those with mass, of 1; it was 1"),
        (lambda: newcomer_growth(channel(0.1), None, 2.0, [[1.0]]), "decoders must be of shape"),
        (lambda: newcomer_growth(channel(0.1), None, -1, [[0.5, 0.5]]), "betas must be finite and at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
