"""layerlab.information.bottleneck: closed forms, bounds, invariances, honest convergence, clear refusals."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from layerlab.information import (
    bottleneck_clusters,
    bottleneck_loss,
    bottleneck_step,
    entropy,
    information_bottleneck,
    merge_classes,
    mutual_information,
    plane_point,
)

BETAS = np.array([0.5, 1.2, 2.0, 4.0, 9.0, 30.0])
SLACK = 1e-9  # bits: what a residual of 1e-8 can leave in an information


def random_joint(seed=0, shape=(12, 4), zeros=False):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(shape[0] * shape[1], 0.4)).reshape(shape)
    if zeros:
        p[rng.random(shape) < 0.3] = 0
        p[0, 0] = max(p[0, 0], 0.01)
    return p / p.sum()


def symmetric_channel(flip):
    return np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2


def binary(p):
    return float(entropy(np.array([p, 1 - p])))


def coins(n, biases):
    """All sequences of n flips of a coin whose bias is Y: p(x, y), and the number of heads of each x."""
    heads = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).sum(1)
    b = np.asarray(biases)
    return b ** heads[:, None] * (1 - b) ** (n - heads[:, None]) / len(b), heads


@pytest.mark.parametrize("flip", [0.05, 0.1, 0.3])
def test_the_symmetric_channel_follows_its_closed_form(flip):
    onset = 1 / (1 - 2 * flip) ** 2
    found = information_bottleneck(symmetric_channel(flip), onset * np.array([0.5, 0.98, 1.02, 1.5, 3, 10, 300]))
    assert found.converged.all()
    assert (found.i_xt[:2] == 0).all()
    assert (found.clusters == [1, 1, 2, 2, 2, 2, 2]).all()
    assert (found.i_xt[2:] > 1e-3).all()
    for x, y in zip(found.i_xt[2:], found.i_ty[2:], strict=True):
        noise = brentq(lambda q, x=x: 1 - binary(q) - x, 0.0, 0.5) if x < 1 else 0.0
        assert y == pytest.approx(1 - binary(noise * (1 - flip) + (1 - noise) * flip), abs=1e-10)


def test_the_slope_of_the_curve_is_one_over_beta():
    betas = np.array([6.0, 12.0, 20.0])
    step = 1e-3
    for seed in range(3):
        p = random_joint(seed)
        low, high = (information_bottleneck(p, betas * (1 + s), tolerance=1e-11) for s in (-step, step))
        slope = (high.i_ty - low.i_ty) / (high.i_xt - low.i_xt)
        assert slope == pytest.approx(1 / betas, rel=1e-4)


def test_the_curve_is_concave_and_rises_to_the_whole_information():
    for seed, zeros in ((0, False), (1, True), (2, True)):
        p = random_joint(seed, zeros=zeros)
        found = information_bottleneck(p, np.geomspace(1, 1e4, 25))
        whole = mutual_information(p)
        assert (found.i_ty <= found.i_xt + SLACK).all()
        assert (found.i_ty <= whole + SLACK).all()
        assert found.i_ty[-1] == pytest.approx(whole, abs=1e-4)
        assert (np.diff(found.i_xt) >= -SLACK).all()
        lines = found.i_xt[None] - found.beta[:, None] * found.i_ty  # no other solution does better at this beta
        assert (lines.min(1) >= found.loss - 1e-8).all()


def test_what_is_reported_is_what_the_encoder_does():
    p = random_joint(3, zeros=True)
    found = information_bottleneck(p, BETAS)
    assert found.encoder.shape == (6, 12, found.masses.shape[1])
    assert found.encoder.sum(-1) == pytest.approx(1)
    for b, beta in enumerate(BETAS):
        assert plane_point(p, found.encoder[b]) == pytest.approx((found.i_xt[b], found.i_ty[b]), abs=1e-12)
        assert found.loss[b] == pytest.approx(bottleneck_loss(p, found.encoder[b], beta), abs=1e-12)
        masses, decoder = bottleneck_clusters(p, found.encoder[b])
        assert found.masses[b] == pytest.approx(masses)
        assert found.decoder[b] == pytest.approx(decoder)
        assert found.h_t[b] == pytest.approx(entropy(masses / masses.sum()))


def test_a_converged_solution_satisfies_the_three_equations_in_nats():
    p = random_joint(4)
    p_x, cond = p.sum(1), p / p.sum(1, keepdims=True)
    found = information_bottleneck(p, [3.0, 8.0])
    assert found.converged.all()
    for b, beta in enumerate(found.beta):
        alive = found.masses[b] > 0
        masses, decoder, encoder = found.masses[b][alive], found.decoder[b][alive], found.encoder[b][:, alive]
        kl = (cond[:, None] * np.log(cond[:, None] / decoder[None])).sum(-1)
        weight = masses * np.exp(-beta * kl)
        assert encoder == pytest.approx(weight / weight.sum(1, keepdims=True), abs=1e-5)
        assert masses == pytest.approx(p_x @ encoder)
        assert decoder == pytest.approx((encoder.T @ p) / masses[:, None])


def test_one_step_written_out():
    p, encoder = random_joint(5), np.random.default_rng(0).dirichlet(np.ones(3), 12)
    p_x = p.sum(1)
    masses = p_x @ encoder
    decoder = encoder.T @ p / masses[:, None]
    expected = np.empty_like(encoder)
    for x in range(12):
        for t in range(3):
            kl = sum(p[x, y] / p_x[x] * math.log(p[x, y] / p_x[x] / decoder[t, y]) for y in range(4))
            expected[x, t] = masses[t] * math.exp(-2.5 * kl)
    expected /= expected.sum(1, keepdims=True)
    assert bottleneck_step(p, encoder, 2.5) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("beta", [1.5, 4.0, 50.0])
def test_no_step_raises_the_loss(beta):
    p = random_joint(6, zeros=True)
    encoder = np.random.default_rng(1).dirichlet(np.ones(5), 12)
    losses = [bottleneck_loss(p, encoder, beta)]
    for _ in range(60):
        encoder = bottleneck_step(p, encoder, beta)
        losses.append(bottleneck_loss(p, encoder, beta))
    assert max(np.diff(losses)) <= 1e-13 * (1 + beta)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("beta", [1.5, 4.0, 50.0])
def test_nor_does_the_extrapolated_iteration_stopped_anywhere(beta):
    p = random_joint(6, zeros=True)
    encoder = np.random.default_rng(1).dirichlet(np.ones(5), 12)
    losses = [
        float(information_bottleneck(p, beta, init=encoder, max_iterations=n, tolerance=1e-14).loss[0])
        for n in (*range(1, 20), *range(40, 60))
    ]
    assert max(np.diff(losses)) <= 1e-13 * (1 + beta)
    assert losses[0] <= bottleneck_loss(p, encoder, beta)


def test_extrapolation_finds_what_plain_steps_find_and_sooner():
    p = random_joint(7)
    encoder = np.random.default_rng(1).dirichlet(np.ones(4), 12)
    found = information_bottleneck(p, 3.0, init=encoder, tolerance=1e-11)
    plain, steps = encoder, 0
    while steps < 5000:
        after, steps = bottleneck_step(p, plain, 3.0), steps + 1
        if abs(after - plain).max() < 1e-12:
            break
        plain = after
    assert plane_point(p, plain) == pytest.approx((found.i_xt[0], found.i_ty[0]), abs=1e-8)
    assert int(found.iterations[0]) < steps / 2


def test_merging_equal_rows_changes_nothing():
    p, heads = coins(5, [0.2, 0.5, 0.9])
    merged, classes = merge_classes(p)
    assert len(merged) == 6
    assert len(set(zip(classes.tolist(), heads.tolist(), strict=True))) == 6
    encoder = np.random.default_rng(2).dirichlet(np.ones(6), 6)
    whole, small = p, merged
    spread = encoder[classes]
    for _ in range(5):
        spread, encoder = bottleneck_step(whole, spread, 4.0), bottleneck_step(small, encoder, 4.0)
    assert spread == pytest.approx(encoder[classes], abs=1e-13)
    big, little = (information_bottleneck(q, BETAS) for q in (p, merged))
    assert big.loss == pytest.approx(little.loss, abs=1e-12)
    assert (big.encoder == big.class_encoder[:, classes]).all()


def test_telling_equal_rows_apart_only_costs():
    p, _ = coins(4, [0.3, 0.8])
    _, classes = merge_classes(p)
    fine = np.random.default_rng(3).dirichlet(np.ones(3), 16)
    coarse = fine.copy()
    for c in range(classes.max() + 1):
        own = classes == c
        coarse[own] = np.average(fine[own], axis=0, weights=p.sum(1)[own])
    (x_fine, y_fine), (x_coarse, y_coarse) = plane_point(p, fine), plane_point(p, coarse)
    assert y_fine == pytest.approx(y_coarse, abs=1e-14)
    assert x_coarse < x_fine


def test_large_beta_finds_the_minimal_sufficient_statistic():
    p, heads = coins(6, [0.1, 0.4, 0.7])
    found = information_bottleneck(p, 1e4)
    assert int(found.clusters[0]) == 7
    hard = found.encoder[0].argmax(1)
    assert found.encoder[0].max(1) == pytest.approx(1)
    assert len(set(zip(hard.tolist(), heads.tolist(), strict=True))) == 7
    assert found.i_ty[0] == pytest.approx(mutual_information(p))
    assert found.i_xt[0] == pytest.approx(entropy(np.bincount(heads, p.sum(1))))


def test_the_order_of_x_and_y_does_not_matter():
    p, rng = random_joint(8), np.random.default_rng(0)
    rows, columns = rng.permutation(12), rng.permutation(4)
    one, other = information_bottleneck(p, BETAS), information_bottleneck(p[rows][:, columns], BETAS)
    assert one.loss == pytest.approx(other.loss, abs=1e-10)
    assert one.i_xt == pytest.approx(other.i_xt, abs=1e-6)


def test_the_order_of_the_betas_does_not_matter():
    p, order = random_joint(8), np.random.default_rng(0).permutation(6)
    one, other = information_bottleneck(p, BETAS), information_bottleneck(p, BETAS[order])
    assert (other.beta == BETAS[order]).all()
    assert one.loss[order] == pytest.approx(other.loss, abs=1e-10)


def test_annealing_is_never_worse_than_cold_starts():
    for seed in range(3):
        p = random_joint(seed, (20, 5))
        warm = information_bottleneck(p, BETAS)
        cold = information_bottleneck(p, BETAS, init="random", restarts=8, seed=seed)
        assert cold.restart_loss.shape == (6, 8)
        assert (cold.loss == cold.restart_loss.min(1)).all() or cold.loss == pytest.approx(cold.restart_loss.min(1))
        assert (warm.loss <= cold.loss + 1e-8).all()
        assert (cold.restart_loss[-1] > cold.loss[-1] + 1e-3).any()  # some cold start is stuck


def test_the_same_seed_finds_the_same_and_another_another():
    p = random_joint(9)
    one, two, other = (
        information_bottleneck(p, BETAS, init="random", restarts=3, seed=s).restart_loss for s in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()


def test_an_unfinished_iteration_says_so_without_a_warning(recwarn):
    p = symmetric_channel(0.1)
    start = np.array([[0.51, 0.49], [0.49, 0.51]])
    found = information_bottleneck(p, [1.57, 40.0], init=start, max_iterations=3)
    assert found.converged.tolist() == [False, True]
    assert found.residual[0] > 1e-8
    assert (found.iterations <= 3).all()
    assert not recwarn.list


def test_the_residual_is_the_move_of_one_more_step():
    p, start = random_joint(10), np.random.default_rng(0).dirichlet(np.ones(4), 12)
    found = information_bottleneck(p, 3.0, init=start, max_iterations=1)
    after = found.masses[0][:, None] * found.decoder[0]
    assert found.residual[0] == pytest.approx(abs(after - start.T @ p).sum() / 2)


def test_the_deterministic_bottleneck_assigns_each_x_to_one_cluster():
    p = random_joint(11, (20, 4))
    betas = np.array([1.0, 3.0, 6.0, 20.0, 1e3])
    hard = information_bottleneck(p, betas, deterministic=True, restarts=5)
    soft = information_bottleneck(p, betas)
    assert set(np.unique(hard.encoder)) == {0.0, 1.0}
    assert hard.h_t == pytest.approx(hard.i_xt)
    assert hard.loss == pytest.approx(hard.h_t - betas * hard.i_ty)
    assert hard.converged.all()
    assert (soft.loss <= hard.loss + SLACK).all()  # I(X;T) <= H(T)
    assert hard.i_ty[-1] == pytest.approx(mutual_information(p))
    assert (np.diff(hard.h_t) >= 0).all()


def test_a_small_deterministic_bottleneck_is_the_best_of_all_partitions():
    p = random_joint(12, (5, 3))
    for beta in (2.0, 5.0, 15.0):
        best = 0.0
        for code in range(5**5):
            labels = [code // 5**i % 5 for i in range(5)]
            encoder = np.eye(5)[labels]
            masses = p.sum(1) @ encoder
            best = min(best, entropy(masses) - beta * plane_point(p, encoder)[1])
        found = information_bottleneck(
            p, np.unique([beta, *np.geomspace(1.5, 40, 12)]), deterministic=True, restarts=10
        )
        assert found.loss[found.beta == beta][0] == pytest.approx(best, abs=1e-9)


def test_fewer_clusters_than_needed_are_used_well():
    p = random_joint(13, (16, 4))
    free, bound = (information_bottleneck(p, [2.0, 50.0], clusters=c, restarts=8) for c in (None, 3))
    assert bound.masses.shape == (2, 3)
    assert bound.encoder.shape == (2, 16, 3)
    assert bound.loss[1] > free.loss[1]
    assert bound.loss[1] < -0.8 * 50 * 0.5 * bound.i_ty[1]
    padded = information_bottleneck(p, [2.0], clusters=40)
    assert padded.masses.shape == (1, 40)
    assert padded.loss[0] == pytest.approx(free.loss[0], abs=1e-9)


def test_rows_and_columns_without_mass_are_left_out():
    p = random_joint(14)
    wide = np.zeros((14, 5))
    wide[np.ix_([0, *range(2, 13)], [0, 1, 3, 4])] = p
    one, other = information_bottleneck(p, BETAS), information_bottleneck(wide, BETAS)
    assert one.loss == pytest.approx(other.loss, abs=1e-12)
    assert other.encoder[:, 1] == pytest.approx(other.masses)
    assert (other.classes[[1, 13]] == -1).all()
    assert (other.decoder[:, :, 2] == 0).all()
    assert other.encoder.sum(-1) == pytest.approx(1)
    assert bottleneck_step(wide, other.encoder[3], 4.0) == pytest.approx(other.encoder[3], abs=1e-5)


def test_exact_zeros_stay_zero():
    p = np.array([[0.25, 0.25, 0], [0, 0.25, 0.25]])
    found = information_bottleneck(p, [2.5, 1e3])
    assert found.decoder[1].min() == 0
    assert found.i_ty[1] == pytest.approx(0.5)
    assert np.isfinite(found.loss).all()


def test_independent_variables_leave_nothing_to_keep():
    found = information_bottleneck(np.full((4, 3), 1 / 12), [0.0, 1.0, 100.0])
    assert (found.loss == 0).all()
    assert (found.clusters == 1).all()
    assert found.converged.all()


def test_tensors_come_back_as_tensors_and_agree_with_arrays():
    p = random_joint(15)
    array = information_bottleneck(p, BETAS)
    tensor = information_bottleneck(torch.from_numpy(p), torch.from_numpy(BETAS), device="cpu")
    assert all(isinstance(v, torch.Tensor) for v in vars(tensor).values())
    assert isinstance(tensor.encoder, torch.Tensor)
    assert tensor.encoder.dtype == torch.float64
    assert isinstance(array.encoder, np.ndarray)
    assert tensor.loss.numpy() == pytest.approx(array.loss, abs=1e-12)
    assert isinstance(bottleneck_step(torch.from_numpy(p), tensor.encoder[2], 2.0), torch.Tensor)
    rough = information_bottleneck(torch.from_numpy(p).float(), BETAS)
    assert rough.loss.numpy() == pytest.approx(array.loss, abs=1e-4)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine with one to test it there"
)
def test_a_gpu_finds_the_same():
    p = random_joint(16, (40, 6))
    here = information_bottleneck(p, BETAS, restarts=3)
    there = information_bottleneck(p, BETAS, restarts=3, device="cuda")
    assert here.loss == pytest.approx(there.loss, abs=1e-7)


def test_blocks_of_the_batch_do_not_change_the_result(monkeypatch):
    from layerlab.information import _equations

    p = random_joint(17)
    whole = information_bottleneck(p, BETAS, init="random", restarts=7)
    monkeypatch.setitem(_equations.BLOCK, "cpu", 12 * 12 * 5)
    parts = information_bottleneck(p, BETAS, init="random", restarts=7)
    assert whole.restart_loss == pytest.approx(parts.restart_loss, abs=1e-9)


def test_progress_is_told_and_may_stop():
    notes = []
    information_bottleneck(random_joint(), BETAS, progress=lambda done, total, note: notes.append((done, total, note)))
    assert {note.split(",")[0] for *_, note in notes} == {"annealing", "iterating", "exchange between betas"}
    assert all(done <= total for done, total, _ in notes)

    def stop(done, total, note):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        information_bottleneck(random_joint(), BETAS, progress=stop)


P = random_joint()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((P[0], 1.0), ValueError, "p_xy"),
        ((P * 2, 1.0), ValueError, "sum to 1"),
        ((-P, 1.0), ValueError, "negative"),
        ((P * np.nan, 1.0), ValueError, "NaN"),
        ((P[None], 1.0), ValueError, r"\(\|X\|, \|Y\|\)"),
        (("text", 1.0), TypeError, "real numbers"),
        ((P, []), ValueError, "at least one"),
        ((P, [[1.0]]), ValueError, "number or a list"),
        ((P, [1.0, -2.0]), ValueError, "at least 0; the first that is not was -2"),
        ((P, [1.0, np.nan]), ValueError, "finite"),
        ((P, np.inf), ValueError, "finite"),
        ((P, ["a"]), TypeError, "betas must be real"),
        ((P, True), TypeError, "betas must be real"),
    ],
)
def test_what_is_no_joint_or_no_beta_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        information_bottleneck(*arguments)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"clusters": 0}, ValueError, "clusters must be at least 1, not 0"),
        ({"clusters": 2.0}, TypeError, "clusters must be an integer"),
        ({"restarts": 0}, ValueError, "restarts"),
        ({"seed": -1}, ValueError, "seed"),
        ({"max_iterations": 0}, ValueError, "max_iterations"),
        ({"tolerance": 0}, ValueError, "tolerance"),
        ({"tolerance": "small"}, TypeError, "tolerance"),
        ({"init": "warm"}, ValueError, "anneal or random or an encoder; it was 'warm'"),
        ({"init": np.full((3, 2), 0.5)}, ValueError, r"\|X\| = 12"),
        ({"init": np.full((12, 2), 0.4)}, ValueError, "encoder must sum to 1"),
        ({"init": np.full((12, 2), 0.5), "restarts": 2}, ValueError, "restarts must be 1"),
        ({"deterministic": 1}, TypeError, "deterministic"),
        ({"device": "nowhere"}, ValueError, "device must be one of this machine"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, error, message):
    with pytest.raises(error, match=message):
        information_bottleneck(P, 2.0, **setting)
