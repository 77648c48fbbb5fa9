"""The assignment on random projections: its variants, its mathematics, and right answers written otherwise."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from layerlab.grading import source
from layerlab.grading.assignments import _random_projections_texts as texts
from layerlab.grading.assignments import random_projections
from layerlab.grading.assignments._random_projections_maps import _sparse
from layerlab.grading.checking import tried
from layerlab.grading.grader import limits_of
from layerlab.grading.isolation import Sandbox
from layerlab.grading.judge import judge
from layerlab.grading.source import without_markers, without_solutions

NAME = "random-projections"
SEEDS = range(200)


@pytest.fixture(scope="module")
def made(request):
    return source.read(request.config.rootpath / "exercises" / NAME / source.FILE)


def drawn(seed):
    return SimpleNamespace(**random_projections.variant(np.random.default_rng(seed)))


# ---- the variants


@pytest.fixture(scope="module")
def variants():
    return [drawn(seed) for seed in SEEDS]


def test_every_variant_has_the_same_task(variants):
    for variant in variants:
        n, d = variant.points.shape
        assert 24 <= n <= 32
        assert 400 <= d <= 600  # room for the 320 dimensions of 3a's given map
        assert 500 <= variant.n <= 5000
        assert variant.eps in (0.25, 0.3, 0.35, 0.4)
        assert 450 <= random_projections.lemma_dimension(variant.n, variant.eps, variant.delta) <= 1900
        assert pdist(variant.points).min() > 5
        assert np.linalg.norm(variant.points.mean(axis=0)) > np.sqrt(d)  # lengths say nothing about distances


def test_the_worst_pair_of_every_variant_stands_out_and_is_not_the_closest(variants):
    for variant in variants:
        i, j = np.triu_indices(len(variant.texts), 1)
        squares = (variant.texts[i] - variant.texts[j]) ** 2
        kappa, differing = np.sort(texts.peakedness(variant.texts)), np.count_nonzero(squares, axis=1)
        first, second, largest, deviation, merged = texts.worst(variant.texts, variant.density, variant.k)
        at = int(np.flatnonzero((i == first) & (j == second))[0])
        assert 0.85 < largest == kappa[-1]
        assert kappa[-2] < 0.55
        assert deviation > 1
        assert 0.2 < merged < 0.4
        assert differing[at] == 2
        assert (differing == 2).sum() == 2  # the other is the one with equally heavy words
        assert squares.sum(axis=1).argmin() != at != squares.sum(axis=1).argmax()
        sizes = np.sqrt(squares[at][squares[at] > 0])
        assert sizes.max() > 1.5 * sizes.min()  # no two entries +-a cancel
        assert {38, 39, 40, 41, 42, 43, 44} >= set(np.count_nonzero(variant.texts, axis=1))


def test_the_exact_law_saves_a_fifth_or_so_for_everyone(variants):
    for variant in variants[::5]:
        bound = random_projections.lemma_dimension(variant.n, variant.eps, variant.delta)
        risks = [random_projections.exact_failure(variant.n, int(share * bound), variant.eps) for share in (0.7, 0.83)]
        assert risks[0] > variant.delta >= risks[1]


def test_the_references_pass_their_own_checks(variants):
    for variant in variants[::50]:
        for exercise in random_projections.exercises(variant):
            report = tried(exercise, exercise.reference)
            assert report.passed, str(report)


# ---- the mathematics, computed another way


@pytest.mark.parametrize(("n", "eps", "delta"), [(3, 0.5, 0.1), (1000, 0.2, 0.01), (60_000, 0.7, 1e-6)])
def test_the_lemmas_dimension_is_the_least_at_which_the_proof_holds(n, eps, delta):
    def risk(k):
        upper = math.exp(-k / 2 * (eps**2 / 2 - eps**3 / 3))
        return n * (n - 1) / 2 * 2 * upper

    k = random_projections.lemma_dimension(n, eps, delta)
    assert risk(k) <= delta < risk(k - 1)
    assert random_projections.exact_failure(n, k, eps) < risk(k)


def test_the_best_exponents_of_the_two_tails():
    for eps in np.linspace(0.05, 0.95, 19):
        s = np.linspace(1e-4, 0.4999, 20_000)
        upper = np.min(-s * (1 + eps) - np.log(1 - 2 * s) / 2)
        t = np.linspace(1e-4, 40, 200_000)
        lower = np.min(t * (1 - eps) - np.log(1 + 2 * t) / 2)
        assert upper == pytest.approx(-(eps - math.log(1 + eps)) / 2, abs=1e-6)
        assert lower == pytest.approx((eps + math.log(1 - eps)) / 2, abs=1e-6)
        assert max(upper, lower) <= -(eps**2 / 2 - eps**3 / 3) / 2


def test_the_exact_failure_of_one_pair_is_what_gaussian_maps_show():
    rng = np.random.default_rng(1)
    for k, eps in ((1, 0.5), (4, 0.3), (20, 0.4)):
        ratios = np.mean(rng.standard_normal((200_000, k)) ** 2, axis=1)
        share = float(np.mean(np.abs(ratios - 1) >= eps))
        assert abs(random_projections.exact_failure(2, k, eps) - share) < 5 * math.sqrt(0.25 / 200_000)


def test_what_4c_predicts_is_what_sparse_maps_do():
    variant = drawn(3)
    i, j, _, deviation, merged = texts.worst(variant.texts, variant.density, variant.k)
    z = variant.texts[i] - variant.texts[j]
    images = np.array([z @ _sparse(len(z), variant.k, variant.density, seed) for seed in range(1500)])
    ratios = np.sum(images**2, axis=1) / np.sum(z**2)
    assert abs(float(np.mean(ratios == 0)) - merged) < 4 * math.sqrt(merged * (1 - merged) / 1500)
    assert abs(ratios.mean() - 1) < 4 * deviation / math.sqrt(1500)
    assert ratios.std() == pytest.approx(deviation, rel=0.15)


def test_right_experiments_are_far_from_the_limits_on_slope_and_spread():
    """The distance that the assignment's tests leave, in standard deviations over repetitions of a right experiment."""
    ks = np.array([4, 8, 16, 32, 64])
    slopes, scaled = [], []
    for repetition in range(30):
        rng = np.random.default_rng([9, repetition])
        # few coordinates are enough: ratios under Gaussian maps depend on inner products alone
        x = np.linalg.qr(rng.standard_normal((500, 16)))[1].T
        before = pdist(x, "sqeuclidean")
        spread = []
        for k in ks:
            maps = rng.standard_normal((24, 16, k)) / math.sqrt(k)
            spread.append(np.mean([np.std(pdist(x @ one, "sqeuclidean") / before) for one in maps]))
        slopes.append(np.polyfit(np.log(ks), np.log(spread), 1)[0])
        scaled.append(np.array(spread) * np.sqrt(ks / 2))
    mean, deviation = np.mean(slopes), np.std(slopes)
    assert mean - 7 * deviation > -0.65
    assert mean + 7 * deviation < -0.35
    middle, width = np.mean(scaled, axis=0), np.std(scaled, axis=0)
    assert (middle - 7 * width > 0.6).all()
    assert (middle + 7 * width < 1.4).all()


# ---- right answers, written otherwise

WITH_SCIPY = {
    "1b": """
from scipy.spatial.distance import pdist

def distortion(x, fx):
    return pdist(fx, "sqeuclidean") / pdist(x, "sqeuclidean")
""",
    "1c": """
def gaussian_map(d, k, seed):
    return np.random.RandomState(seed).normal(0, k**-0.5, (k, d)).T
""",
    "2b": """
def lemma_dimension(n, eps, delta):
    k = 1
    while np.log(n) + np.log(n - 1) - k / 2 * (eps**2 / 2 - eps**3 / 3) > np.log(delta):
        k += 1
    return k
""",
    "2c": """
from scipy.special import chdtrc, gammainc

def exact_failure(n, k, eps):
    pairs = n * (n - 1) // 2
    return np.minimum(1, pairs * (gammainc(k / 2, (1 - eps) * k / 2) + chdtrc(k, (1 + eps) * k)))
""",
    "3a": """
from scipy.spatial.distance import pdist
from scipy.stats import linregress

def experiment(x, eps, ks, seeds):
    before = pdist(x, "sqeuclidean")
    spread, failures = {}, {}
    for k in ks:
        spread[k], failures[k] = [], 0
        for seed in seeds:
            signs = np.random.default_rng([seed, k]).choice([-1, 1], (x.shape[1], k)) / np.sqrt(k)
            ratios = pdist(x @ signs, "sqeuclidean") / before
            spread[k].append(np.std(ratios, ddof=1))
            failures[k] += bool(max(abs(ratios - 1)) > eps)
    spread = [float(np.mean(spread[k])) for k in ks]
    return spread, [failures[k] / len(seeds) for k in ks], linregress(np.log10(ks), np.log10(spread)).slope
""",
    "4b": """
def sparse_map(d, k, density, seed):
    rng = np.random.default_rng(seed)
    uniform = rng.random((d, k))
    return np.select([uniform < density / 2, uniform > 1 - density / 2], [1.0, -1.0], 0.0) / (density * k) ** 0.5
""",
    "4c": """
best = max(
    ((i, j) for i in range(len(variant.texts)) for j in range(i + 1, len(variant.texts))),
    key=lambda p: np.sum((variant.texts[p[0]] - variant.texts[p[1]]) ** 4)
    / np.sum((variant.texts[p[0]] - variant.texts[p[1]]) ** 2) ** 2,
)
z = variant.texts[best[0]] - variant.texts[best[1]]
peak = np.linalg.norm(z, 4) ** 4 / np.linalg.norm(z) ** 4
worst = [*best, peak, ((2 + (1 / variant.density - 3) * peak) / variant.k) ** 0.5, 0.0]
worst[4] = np.exp(variant.k * np.sum(z != 0) * np.log1p(-variant.density))
""",
}
WITHOUT_OTHER_ANSWERS = {
    "1b": """
def distortion(x, fx):
    def squared(rows):
        rows = rows - rows.mean(axis=0)
        lengths = np.sum(rows**2, axis=1)
        return np.maximum(lengths[:, None] + lengths - 2 * rows @ rows.T, 0)

    upper = np.triu_indices(len(x), 1)
    return squared(fx)[upper] / squared(x)[upper]
""",
    "1c": """
def gaussian_map(d, k, seed):
    return (np.random.default_rng(seed).standard_normal((d, k)) / np.sqrt(k)).astype(np.float32)
""",
    "2b": """
def lemma_dimension(n, eps, delta):
    return np.ceil((2 * np.log(n) + 2 * np.log(n - 1) + 2 * np.log(1 / delta)) / (eps**2 / 2 - eps**3 / 3))
""",
    "2c": """
from scipy import stats

def exact_failure(n, k, eps):
    law = stats.gamma(k / 2, scale=2 / k)
    return min(1, n * (n - 1) / 2 * (law.cdf(1 - eps) + law.sf(1 + eps)))
""",
    "3a": """
def experiment(x, eps, ks, seeds):
    found = []
    for k in ks:
        ratios = [slow_ratios(x, x @ orthonormal_map(x.shape[1], k, seed)) for seed in seeds]
        lost = sum(not all(1 - eps < ratio < 1 + eps for ratio in row) for row in ratios)
        found.append((sum(map(np.std, ratios)) / len(seeds), lost / len(seeds)))
    spread, failures = zip(*found)
    a, b = np.log(ks) - np.mean(np.log(ks)), np.log(spread)
    return spread, failures, np.dot(a, b) / np.dot(a, a)
""",
    "4b": """
def sparse_map(d, k, density, seed):
    rng = np.random.default_rng(seed)
    weights = [density / 2, 1 - density, density / 2]
    return rng.choice([-1, 0, 1], size=(d, k), p=weights).astype(np.float32) / np.sqrt(density * k)
""",
    "4c": WITH_SCIPY["4c"],
}


def marks_of(made, backend, answers, student="grace", secret=b"another secret"):
    """Points per tests cell when these answers stand in the notebook, and nothing in the place of the others."""
    cells = []
    for number, cell in enumerate(made.cells):
        if cell.kind == "code" and not cell.tests:
            blank = without_solutions(cell.source) if cell.solution else without_markers(cell.source)
            cells.append((cell.id or f"cell {number}", answers.get(cell.id, blank)))
    limits = limits_of(made)
    found = judge(made, cells, student, lambda: Sandbox(backend, limits, made.withheld, made.imports), secret=secret)
    return {mark.grade_id: mark for mark in found.marks if mark.score is not None}


@pytest.mark.parametrize("student", ["Sofja Kowalewskaja", "0042"])
@pytest.mark.parametrize("answers", [WITH_SCIPY, WITHOUT_OTHER_ANSWERS], ids=["scipy", "given helpers"])
def test_right_answers_written_otherwise_earn_all_points(made, backend, answers, student):
    marks = marks_of(made, backend, answers, student, secret=student.encode())
    assert {i: (mark.visible, mark.private) for i, mark in marks.items() if mark.score != mark.points} == {}


@pytest.mark.parametrize("question", WITHOUT_OTHER_ANSWERS)
def test_a_question_earns_its_points_without_any_other_answer(made, backend, question):
    marks = marks_of(made, backend, {question: WITHOUT_OTHER_ANSWERS[question]})
    earned = {grade_id for grade_id, mark in marks.items() if mark.score}
    assert earned == {cell.id for cell in made.cells if cell.tests and cell.question == question}


def test_the_points_are_forty_and_each_rubric_adds_up(made):
    assert made.points == 40
    for cell in made.cells:
        if cell.manual:
            rubric = cell.source.split("Rubric (")[1]
            assert rubric.startswith(f"{cell.points:g} points")
            given = [float(line.split()[1]) for line in rubric.splitlines() if line.startswith("- ")]
            assert sum(given) == cell.points
