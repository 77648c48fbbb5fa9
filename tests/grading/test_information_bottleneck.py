"""The assignment on the information bottleneck: every variant is valid, and whoever is right another way passes."""

from types import SimpleNamespace

import numpy as np
import pytest

from layerlab.grading.assignments import _information_bottleneck_experiments as experiments
from layerlab.grading.assignments import _information_bottleneck_theory as theory
from layerlab.grading.assignments import information_bottleneck as assignment
from layerlab.grading.checking import tried
from layerlab.information import bottleneck_step, critical_betas, information_bottleneck, mutual_information, onset

SEEDS = range(200)


def made(seed):
    return SimpleNamespace(**assignment.variant(np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def variants():
    return [made(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def checks():
    return {exercise.name: exercise for exercise in assignment.exercises(made(1))}


def passes(exercise, answer):
    report = tried(exercise, answer)
    return report.passed, str(report)


# ---- the variants


def test_every_variant_is_a_set_of_positive_joints(variants):
    for one in variants:
        for joint, shape in ((one.joint, (8, 4)), (one.lopsided, (2, 2)), (one.grouped, (12, 6))):
            assert joint.shape == shape
            assert joint.sum() == pytest.approx(1, abs=1e-12)
            assert (joint / joint.sum(1, keepdims=True)).min() > 0.001
            assert joint.sum(1).min() > 0.05


def test_information_begins_where_it_should_and_long_before_the_next_split(variants):
    betas = np.array([critical_betas(one.joint) for one in variants])
    assert ((betas[:, 0] > 1.6 - 1e-9) & (betas[:, 0] < 2.0 + 1e-9)).all()
    assert betas[:, 0].std() > 0.1  # students do have different ones
    assert (betas[:, 1] > 3 * betas[:, 0]).all()
    informations = [float(mutual_information(one.joint)) for one in variants]
    assert min(informations) > 0.4 and max(informations) < 0.65


def test_the_mirrored_joint_is_its_own_mirror(variants):
    for one in variants:
        rows = {tuple(np.round(row, 12)) for row in one.joint}
        assert {row[::-1] for row in rows} == rows
        assert len(rows) == 8


@pytest.mark.parametrize("seed", range(0, 200, 25))
def test_the_mirrored_joint_leaves_the_trivial_encoder_in_a_split(seed):
    found = onset(made(seed).joint)
    assert not found.first_order
    assert found.beta == pytest.approx(theory.critical_beta(made(seed).joint))


def test_the_lopsided_joint_leaves_it_earlier_and_inside_the_sweep(variants):
    for one in variants:
        early, late = theory.lopsided_onsets(one.lopsided)
        assert late > 1.08 * early
        assert experiments.SWEEP[0] * 1.1 < early and late * 1.03 < experiments.SWEEP[-1]
    for one in variants[::40]:
        found = onset(one.lopsided)
        np.testing.assert_allclose((found.beta, found.split), theory.lopsided_onsets(one.lopsided), rtol=1e-6)


def test_the_best_loss_of_the_grouped_joint_is_not_beaten(variants):
    for one in variants[::50]:
        best = theory.best_of_groups(one.grouped, experiments.PRICE)
        found = information_bottleneck(one.grouped, experiments.PRICE, clusters=6, init="random", restarts=40)
        assert float(found.loss[0]) == pytest.approx(best, abs=1e-4)


# ---- the reference, against the library's own solver


def test_the_step_is_the_librarys():
    rng = np.random.default_rng(0)
    for n, m, k, beta in ((6, 4, 3, 2.0), (3, 5, 4, 40.0)):
        table, encoder = rng.dirichlet(np.ones(n * m)).reshape(n, m), rng.dirichlet(np.ones(k), n)
        np.testing.assert_allclose(theory.step(table, encoder, beta), bottleneck_step(table, encoder, beta), atol=1e-12)
        encoder[:, 1] = 0
        encoder /= encoder.sum(1, keepdims=True)
        assert (theory.step(table, encoder, beta)[:, 1] == 0).all()


@pytest.mark.parametrize("seed", [0, 6])
def test_the_curve_is_the_librarys(seed):
    joint = made(seed).joint
    points, found = theory.curve(joint, experiments.BETAS), information_bottleneck(joint, experiments.BETAS, restarts=4)
    np.testing.assert_allclose(points @ [1, 0] - experiments.BETAS * (points @ [0, 1]), found.loss, atol=2e-4)


def test_the_second_order_expansion_of_question_4a():
    joint = made(3).joint
    p_x, p_y = joint.sum(1), joint.sum(0)
    values, vectors = np.linalg.eig((joint / p_x[:, None]) @ (joint / p_y).T)
    v = vectors[:, np.argsort(-values.real)[1]].real
    v /= abs(v).max()
    assert p_x @ v == pytest.approx(0, abs=1e-12)
    size, beta = 1e-3, 2.5
    i_xt, i_ty = theory.plane(joint, np.c_[1 + size * v, 1 - size * v] / 2)
    squares = size**2 * (p_x @ v**2) / 2 / np.log(2)
    assert i_xt == pytest.approx(squares, rel=1e-4)
    assert i_xt - beta * i_ty == pytest.approx(squares * (1 - beta / theory.critical_beta(joint)), rel=1e-4)


# ---- right answers of another make


def loops(p_xy, encoder, beta):
    """The three equations as they stand, number by number."""
    n, m = p_xy.shape
    k = encoder.shape[1]
    p_x = [sum(p_xy[x, y] for y in range(m)) for x in range(n)]
    p_t = [sum(p_x[x] * encoder[x, t] for x in range(n)) for t in range(k)]
    p_yt = [[sum(p_xy[x, y] * encoder[x, t] for x in range(n)) / p_t[t] for y in range(m)] for t in range(k)]
    after = np.empty((n, k))
    for x in range(n):
        for t in range(k):
            kl = sum(p_xy[x, y] / p_x[x] * np.log(p_xy[x, y] / p_x[x] / p_yt[t][y]) for y in range(m) if p_xy[x, y] > 0)
            after[x, t] = p_t[t] * np.exp(-beta * kl)
        after[x] /= sum(after[x])
    return after


def by_einsum(p_xy, encoder, beta):
    p_t = np.einsum("xy,xt->t", p_xy, encoder)
    p_yt = np.einsum("xy,xt->ty", p_xy, encoder) / p_t[:, None]
    p_yx = p_xy / np.einsum("xy->x", p_xy)[:, None]
    kl = np.einsum("xy,xty->xt", p_yx, np.log(p_yx[:, None] / p_yt[None]))
    weights = np.einsum("t,xt->xt", p_t, np.exp(-beta * kl))
    return weights / np.einsum("xt->x", weights)[:, None]


@pytest.mark.parametrize("step", [loops, by_einsum])
def test_other_ways_to_write_the_step_pass(checks, step):
    good, says = passes(checks["2c"], step)
    assert good, says
    rng = np.random.default_rng(5)
    table, start = rng.dirichlet(np.full(24, 0.8)).reshape(6, 4), rng.dirichlet(np.ones(4), 6)
    for beta, tolerance, most in ((2.0, 1e-4, 400), (6.0, 1e-3, 400), (6.0, 1e-9, 5)):
        found = theory.iterate(table, start, beta, tolerance, most, step)
        theory.is_solution(found, table, start, beta, tolerance, most, step)


def test_other_ways_to_write_the_functions_pass(checks):
    def information(p):
        def h(q):
            return -sum(v * np.log2(v) for v in np.ravel(q) if v > 0)

        return h(p.sum(0)) + h(p.sum(1)) - h(p)

    def divergences(p, q):
        return [[sum(a * np.log(a / b) for a, b in zip(one, other, strict=True) if a > 0) for other in q] for one in p]

    def critical(p):
        c = (p / p.sum(1, keepdims=True)) @ (p / p.sum(0)).T
        return 1 / np.sort(np.linalg.eigvals(c).real)[-2]

    for name, answer in (("1b", information), ("2b", divergences), ("4b", critical)):
        good, says = passes(checks[name], answer)
        assert good, says


def best_of_many(p_xy, betas):
    """No annealing: cold starts by the hundred, the best of them at each beta."""
    random, points = np.random.default_rng(0), []
    for beta in betas:
        starts = random.dirichlet(np.full(len(p_xy), 0.3), (40, len(p_xy)))
        found = [theory.plane(p_xy, theory.iterate(p_xy, start, beta, 1e-5, 500)[0]) for start in starts]
        points.append(min(found, key=lambda point: point[0] - beta * point[1]))
    return np.array(points)


def coarse(p_xy, betas):
    """Straight down the betas that are asked for, with a loose tolerance and another start."""
    encoder, points = np.clip(np.eye(len(p_xy)), 0.01, None), []
    encoder /= encoder.sum(1, keepdims=True)
    for beta in betas[::-1]:
        encoder = theory.iterate(p_xy, encoder, beta, 1e-6, 2000)[0]
        points.append(theory.plane(p_xy, encoder))
    return np.array(points[::-1])


def test_a_curve_from_cold_starts_passes():
    joint = made(1).joint
    betas = experiments.BETAS[::3]
    assert experiments.judge_curve(joint, betas)(best_of_many(joint, betas)) == ""


@pytest.mark.parametrize("seed", range(8))
def test_a_curve_from_a_coarse_annealing_passes(seed):
    joint = made(seed).joint
    assert experiments.judge_curve(joint)(coarse(joint, experiments.BETAS)) == ""


@pytest.mark.parametrize(("change", "says"), [
    (lambda points: points[:-1], "shape"),
    (lambda points: points[:, ::-1], "processing"),
    (lambda points: points[::-1], "falls"),
    (lambda points: 0.9 * points, "above the best"),
    (lambda points: points * [0.9, 1], "below what"),
    (lambda points: points * 0, "above the best"),
])  # fmt: skip
def test_what_is_no_curve_is_refused(change, says):
    joint, betas = made(2).joint, experiments.BETAS[::3]
    assert says in experiments.judge_curve(joint, betas)(change(theory.curve(joint, betas)))


def sweeps(joint, tolerance, size, seed):
    """Where information begins, down and up."""
    down, up, random = [], [], np.random.default_rng(seed)
    encoder = theory.own_cluster_each(joint)
    for beta in experiments.SWEEP[::-1]:
        encoder = theory.iterate(joint, encoder, beta, tolerance, 2000)[0]
        near = 1 / len(joint) + size * random.standard_normal(encoder.shape)
        left = theory.iterate(joint, near / near.sum(1, keepdims=True), beta, tolerance, 2000)[0]
        down.append(theory.plane(joint, encoder)[0])
        up.append(theory.plane(joint, left)[0])
    return [float(experiments.SWEEP[np.argmax(np.array(kept[::-1]) > 0.01)]) for kept in (down, up)]


@pytest.mark.parametrize(("seed", "tolerance", "size"), [(0, 1e-7, 0.01), (7, 1e-6, 0.003), (9, 1e-8, 0.005)])
def test_onsets_measured_otherwise_pass(seed, tolerance, size):
    one = made(seed)
    found = np.array([sweeps(joint, tolerance, size, seed) for joint in (one.joint, one.lopsided)])
    judge = experiments.judge_onsets(one.joint, one.lopsided)
    assert judge(found) == ""
    for wrong in (found[:, ::-1], found[::-1], found * 1.05, found[0]):
        assert judge(wrong) != ""


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_random_starts_of_any_kind_pass_and_those_of_no_kind_do_not(seed):
    grouped, random = made(seed).grouped, np.random.default_rng(seed)

    def ends(starts):
        found = [theory.plane(grouped, theory.iterate(grouped, start, 8.0)[0]) for start in starts]
        return np.array([i_xt - 8.0 * i_ty for i_xt, i_ty in found])

    judge = experiments.judge_losses(grouped)
    uniform = random.random((100, 12, 6))
    for starts in (random.dirichlet(np.ones(6), (60, 12)), uniform / uniform.sum(-1, keepdims=True)):
        assert judge(ends(starts)) == ""
    assert "another share" in judge(ends(random.dirichlet(np.ones(12), (60, 12))))
    assert "another share" in judge(np.full(60, theory.best_of_groups(grouped, 8.0)))


# ---- the solver is marked by its own step


def doubled(p_xy, encoder, beta):
    """A wrong step, whose iteration arrives all the same."""
    return theory.step(p_xy, encoder, 2 * beta)


@pytest.fixture
def problem():
    rng = np.random.default_rng(8)
    return rng.dirichlet(np.full(24, 0.8)).reshape(6, 4), rng.dirichlet(np.ones(3), 6), 2.0, 1e-4, 300


def test_a_right_loop_around_a_wrong_step_is_right(problem):
    theory.is_solution(theory.iterate(*problem, doubled), *problem, doubled)
    theory.is_solution(theory.iterate(*problem), *problem, doubled)


def test_a_loop_that_is_wrong_or_has_nothing_to_do_is_not(problem):
    encoder, steps = theory.iterate(*problem)
    start = problem[1]
    for answer in ((encoder, steps + 1), (start, steps), encoder, (encoder, float(steps)), (encoder * np.nan, steps)):
        with pytest.raises(AssertionError):
            theory.is_solution(answer, *problem, theory.step)
    with pytest.raises(AssertionError, match="nothing to iterate"):
        theory.is_solution((start, 1), *problem, lambda table, encoder, beta: encoder)
    with pytest.raises(ValueError, match="no encoder"):
        theory.is_solution((start, 1), *problem, lambda table, encoder, beta: encoder[0])
