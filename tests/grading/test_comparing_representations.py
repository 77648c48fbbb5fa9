"""Comparing representations: every variant is sound, every right way passes, the text keeps to its numbers."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from layerlab import similarity
from layerlab.grading import source
from layerlab.grading.assignments import Assignment, judging
from layerlab.grading.assignments import _comparing_representations_chance as chance
from layerlab.grading.assignments import _comparing_representations_matching as matching
from layerlab.grading.assignments import _comparing_representations_networks as networks
from layerlab.grading.assignments import _comparing_representations_pairs as pairs
from layerlab.grading.checking import tried
from layerlab.grading.source import without_markers

NAME = "comparing-representations"
SOURCE = source.read(Path(__file__).parents[2] / "exercises" / NAME / source.FILE)


def student(number):
    return Assignment(NAME, f"student {number}", b"secret")


def exercise(assignment, question):
    (found,) = [each for each in assignment.exercises if each.name == question]
    return found


# ---- variants


def test_every_variant_has_one_pair_of_each_kind_and_all_of_them_are_plain_to_see():
    orders = set()
    for seed in range(200):
        made = pairs.pairs(np.random.default_rng(seed))
        kinds = []
        for letter in pairs.LETTERS:
            x, y = made[f"x_{letter}"], made[f"y_{letter}"]
            found, cka = similarity.cca(x, y), similarity.linear_cka(x, y)
            rho = found.coefficients
            if found.forced:
                kinds.append("few")
                assert 0.65 < found.similarity < 0.9 and cka < 0.5
                assert (rho > 0.9).sum() >= 4, "it looks as if some were shared"
            elif rho[-1] < 0.9:
                kinds.append("noisy")
                count = int((rho > 0.9).sum())
                assert 4 <= count <= 6 and rho[count - 1] > 0.998 and rho[count] < 0.4
                # the planted signals are also the directions that hold 99 % of the variance
                assert [similarity.basis(layer).keep(0.99).rank for layer in (x, y)] == [count, count]
                assert found.similarity < 0.5 and cka > 0.9
            else:
                kinds.append("turned" if cka > 0.6 else "stretched")
                assert rho[-1] > 1 - 1e-9 and len(rho) == x.shape[1] == y.shape[1] and 12 <= len(rho) <= 15
                assert cka > 1 - 1e-9 or cka < 0.15
        assert sorted(kinds) == ["few", "noisy", "stretched", "turned"]
        orders.add(tuple(kinds))
    assert len(orders) == 24


def test_shuffled_rows_give_what_the_pair_of_few_samples_gives():
    """What the text tells a student to look at tells the pairs apart."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        made = pairs.pairs(rng)
        for letter in pairs.LETTERS:
            x, y = made[f"x_{letter}"], made[f"y_{letter}"]
            as_it_is, shuffled = similarity.cca(x, y), similarity.cca(x, rng.permutation(y))
            if as_it_is.forced:
                assert abs(as_it_is.similarity - shuffled.similarity) < 0.12
            else:
                assert shuffled.coefficients[0] < 0.5


@pytest.mark.parametrize("number", range(25))
def test_the_reference_passes_every_visible_check_without_a_hint(number):
    assignment = student(number)
    for each in assignment.exercises:
        if each.reference is not None and each.name != "5a":
            report = tried(each, each.reference)
            assert report.passed and not report.hints, str(report)


@pytest.mark.parametrize("number", range(40, 60))
def test_greed_and_forgotten_signs_are_seen_in_every_variant(number):
    each = exercise(student(number), "4a")
    wrong = {
        "greedy": matching._greedy,
        "in-turn": matching._in_turn,
        "absolute": lambda x, y: matching._assigned(np.abs(similarity.correlation(x, y))),
    }
    for key, answer in wrong.items():
        assert [hint.key for hint in tried(each, answer).hints] == [key]


# ---- the experiments' judges


@pytest.mark.parametrize(("p", "q", "n"), [(5, 8, 40), (11, 9, 15), (4, 4, 60)])
def test_the_spread_of_chance_is_as_the_formula_says(p, q, n):
    values = chance._drawn(p, q, n, 4000, 7, lambda rho: float(np.mean(rho**2)))
    assert np.isclose(values.std(), chance.spread(p, q, n), rtol=0.06)
    assert abs(values.mean() - max(p, q) / (n - 1)) < 4 * chance.spread(p, q, n) / np.sqrt(4000)


def test_an_experiment_on_chance_is_accepted_for_any_seed_and_no_other_number_is():
    for seed in range(60):
        values = np.array(chance.chance(6, 9, 30, 150, seed))
        assert chance.chance_problem(values, 6, 9, 30, 150) == ""
    mean, error = values
    wrong = (
        [9 / 29 + 6 * chance.spread(6, 9, 30) / np.sqrt(150), error],
        [mean, 3 * error],
        [mean, 0],
        [mean, np.nan],
        [np.nan, error],
        [mean],
        values[:, None],
    )
    assert all(chance.chance_problem(np.array(each), 6, 9, 30, 150) for each in wrong)


@pytest.mark.parametrize("width", [12, 14, 16])
def test_trained_networks_are_more_alike_than_chance_whatever_the_seed(width):
    runs = np.array([networks.compare(width, seed) for seed in range(100, 105)])
    assert [networks.problem(each, width) for each in runs] == [""] * 5
    assert runs[:, 0].min() > 6 * runs[:, 1].max()


@pytest.mark.parametrize(
    "wrong", [[1.0, 0.02], [0.02, 0.02], [0.5, 0.5], [0.5, 0.0], [0.5, np.nan], [np.nan, 0.02], [0.5]]
)
def test_no_other_comparison_is_accepted(wrong):
    assert networks.problem(np.array(wrong), 12)


# ---- every right way earns the points


def points_of(replaced, question):
    """The tests cells of a question that an answer passes, run as in a notebook."""
    assignment = student(3)
    token = judging.set(assignment)
    namespace = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in SOURCE.cells:
                if cell.kind == "code" and cell.id and not cell.tests:
                    exec(replaced.get(cell.id, without_markers(cell.source)), namespace)
            for cell in SOURCE.cells:
                if cell.tests and cell.question == question:
                    exec(without_markers(cell.source), namespace)
    finally:
        judging.reset(token)


WAYS = {
    "whiten by the covariance": (
        "1b",
        """
def whiten(x):
    z = x - x.mean(0)
    values, vectors = np.linalg.eigh(z.T @ z)
    kept = values > 1e-12 * values.max()
    return vectors[:, kept] / np.sqrt(values[kept])
""",
    ),
    "whiten by the symmetric root, for all that has variance": (
        "1b",
        """
def whiten(x):
    z = x - x.mean(0)
    q = np.linalg.svd(z / abs(z).max(), full_matrices=False)
    r = np.linalg.matrix_rank(z / abs(z).max())
    return np.linalg.pinv(z, rcond=1e-10) @ q[0][:, :r]
""",
    ),
    "whiten by pivoted QR": (
        "1b",
        """
def whiten(x):
    from scipy.linalg import qr, solve_triangular

    z = x - x.mean(0)
    _, r, order = qr(z, mode="economic", pivoting=True)
    size = abs(np.diag(r))
    rank = int((size > 1e-10 * size[0]).sum())
    w = np.zeros((x.shape[1], rank))
    w[order[:rank]] = solve_triangular(r[:rank, :rank], np.eye(rank))
    return w
""",
    ),
    "canonical by covariances, as lists": (
        "1c",
        """
def canonical(x, y):
    def whitening(z):
        values, vectors = np.linalg.eigh(np.cov(z, rowvar=False) * (len(z) - 1))
        kept = values > 1e-10 * values.max()
        return vectors[:, kept] / np.sqrt(values[kept])

    x, y = x - x.mean(0), y - y.mean(0)
    wx, wy = whitening(x), whitening(y)
    u, _, vt = np.linalg.svd(wx.T @ x.T @ y @ wy, full_matrices=False)
    return list(wx @ u), (wy @ vt.T).tolist()
""",
    ),
    "chance by QR, in loops": (
        "2b",
        """
def chance(p, q, n, draws, seed):
    rng = np.random.RandomState(seed)
    total = []
    for _ in range(draws):
        x, y = rng.normal(3, 2, (n, p)), rng.normal(size=(n, q))
        ux = np.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, : min(p, n - 1)]
        uy = np.linalg.svd(y - y.mean(0), full_matrices=False)[0][:, : min(q, n - 1)]
        total.append(float(np.sum((ux.T @ uy) ** 2)) / min(p, q, n - 1))
    return [float(np.mean(total)), float(np.std(total)) / draws**0.5]
""",
    ),
    "svcca by scikit-learn's PCA": (
        "3a",
        """
def svcca(x, y, keep):
    from sklearn.decomposition import PCA

    left, right = (PCA(keep, svd_solver="full").fit_transform(z) for z in (x, y))
    return float(rho(left, right).mean())
""",
    ),
    "svcca by the covariance's eigenvalues": (
        "3a",
        """
def svcca(x, y, keep):
    kept = []
    for z in (x, y):
        values, vectors = np.linalg.eigh(np.cov(z.T))
        values, vectors = values[::-1], vectors[:, ::-1]
        size = 1
        while values[:size].sum() < keep * values.sum():
            size += 1
        kept.append((z - z.mean(0)) @ vectors[:, :size])
    return rho(*kept).mean()
""",
    ),
    "CKA by loops over units": (
        "3c",
        """
def linear_cka(x, y):
    x, y = x - np.mean(x, axis=0), y - np.mean(y, axis=0)

    def squares(a, b):
        return sum(float(a[:, i] @ b[:, j]) ** 2 for i in range(a.shape[1]) for j in range(b.shape[1]))

    return squares(x, y) / (squares(x, x) * squares(y, y)) ** 0.5
""",
    ),
    "CKA from covariances": (
        "3c",
        """
def linear_cka(x, y):
    p = x.shape[1]
    c = np.cov(np.hstack([x, y]), rowvar=False)
    return np.sum(c[:p, p:] ** 2) / np.sqrt(np.sum(c[:p, :p] ** 2) * np.sum(c[p:, p:] ** 2))
""",
    ),
    "matching from corrcoef": (
        "4a",
        """
def match_units(x, y):
    from scipy.optimize import linear_sum_assignment

    p = x.shape[1]
    with np.errstate(all="ignore"):
        values = np.nan_to_num(np.corrcoef(x, y, rowvar=False)[:p, p:])
    rows, columns = linear_sum_assignment(-values)
    return [int(columns[list(rows).index(i)]) for i in range(p)]
""",
    ),
    "comparison with other seeds and another order": (
        "5a",
        """
def compare(seed):
    rng = np.random.default_rng([seed, 99])
    one, other = (hidden_layer(int(s)) for s in rng.choice(10**6, 2, replace=False))
    return float(np.mean(np.square(rho(one, other)))), float(np.mean(np.square(rho(rng.permutation(one), other))))
""",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_right_way_earns_the_points(way):
    question, code = WAYS[way]
    points_of({question: code}, question)


@pytest.mark.parametrize("question", ["1c", "2b", "3a", "3c", "4a", "4b", "4c", "5a"])
def test_a_question_costs_no_marks_in_those_after_it(question):
    """Each of them, with nothing but itself answered."""
    blank = {cell.id: "" for cell in SOURCE.cells if cell.kind == "code" and cell.solution and cell.id != question}
    points_of(blank, question)


# ---- what the text says


def test_the_networks_of_the_text_are_those_of_the_checks():
    namespace = {"variant": student(1).variant, "np": np}
    exec(SOURCE.cell("networks").source, namespace)
    ours = networks.hidden_layer(namespace["variant"].width, 5)
    assert np.array_equal(namespace["hidden_layer"](5), ours) and len(ours) == networks.TEST


def test_given_helpers_are_right():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)) + 2, rng.standard_normal((40, 7))
    y[:, 0] += x[:, 0]
    namespace = {"np": np}
    for grade_id in ("rho", "gram"):
        exec(SOURCE.cell(grade_id).source, namespace)
    np.testing.assert_allclose(namespace["rho"](x, y), similarity.cca(x, y).coefficients, atol=1e-9)
    np.testing.assert_allclose(namespace["cka_by_gram"](x, y), similarity.linear_cka(x, y), rtol=1e-10)


@pytest.mark.parametrize("epsilon", [1, 0.3, 1e-4])
def test_the_example_of_3b(epsilon):
    z = np.random.default_rng(1).standard_normal((30, 2))
    x = np.linalg.qr(z - z.mean(0))[0]
    y = x * [1, epsilon]
    value = (1 + epsilon**2) / np.sqrt(2 * (1 + epsilon**4))
    np.testing.assert_allclose(similarity.linear_cka(x, y), value, rtol=1e-10)
    np.testing.assert_allclose(similarity.cca(x, y).coefficients, 1)


def test_the_report_of_5b_is_what_chance_gives():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 600, 512))
    found = similarity.cca(x, y)
    assert round(similarity.linear_cka(x, y), 2) == 0.46
    assert found.forced == 425
    assert round(found.similarity, 2) == 0.89
    rest = found.coefficients[425:]
    assert len(rest) == 87 and 0.13 < np.mean(rest**2) < 0.16 and 25 < rest.sum() < 35


def test_headings_rubrics_and_cells_state_the_same_points_and_the_hours_are_enough():
    headings = re.findall(
        r"^### (\w+)\. .* \((\d+) minutes, (\d+) points\)$",
        "\n".join(cell.source for cell in SOURCE.cells if cell.kind == "markdown"),
        re.M,
    )
    stated = {question: float(points) for question, _, points in headings}
    earned = {cell.question: 0.0 for cell in SOURCE.cells if cell.grade}
    for cell in SOURCE.cells:
        if cell.grade:
            earned[cell.question] += cell.points
        if cell.manual:
            rubric = cell.source.partition("Rubric")[2]
            assert float(re.match(r" \((\d+) points\)", rubric)[1]) == cell.points
            assert sum(map(float, re.findall(r"^- (\d+):", rubric, re.M))) == cell.points
    assert stated == earned
    assert sum(float(minutes) for _, minutes, _ in headings) <= 60 * SOURCE.hours
