"""Wrong solutions of the chapter's programming exercises, as people write them, each with the hint it should meet."""

import math

import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform

# ---- projection/distortion


def distances_not_squared(x, fx):
    return pdist(fx) / pdist(x)


def before_over_after(x, fx):
    return pdist(x, "sqeuclidean") / pdist(fx, "sqeuclidean")


def upside_down_and_not_squared(x, fx):
    return pdist(x) / pdist(fx)


def mean_squared_difference(x, fx):
    i, j = np.triu_indices(len(x), 1)
    return ((fx[i] - fx[j]) ** 2).mean(axis=1) / ((x[i] - x[j]) ** 2).mean(axis=1)


def difference_of_squares(x, fx):
    return pdist(fx, "sqeuclidean") - pdist(x, "sqeuclidean")


def lengths_of_points(x, fx):
    return (fx**2).sum(axis=1) / (x**2).sum(axis=1)


def lower_triangle_row_by_row(x, fx):
    before, after = cdist(x, x, "sqeuclidean"), cdist(fx, fx, "sqeuclidean")
    i, j = np.tril_indices(len(x), -1)
    return after[i, j] / before[i, j]


def sorted_ratios(x, fx):
    return np.sort(pdist(fx, "sqeuclidean") / pdist(x, "sqeuclidean"))


def whole_matrix(x, fx):
    return squareform(pdist(fx, "sqeuclidean")) / squareform(pdist(x, "sqeuclidean"))


def with_the_diagonal(x, fx):
    i, j = np.triu_indices(len(x))
    return ((fx[i] - fx[j]) ** 2).sum(axis=1) / ((x[i] - x[j]) ** 2).sum(axis=1)


def rows_in_sequence(x, fx):
    return (np.diff(fx, axis=0) ** 2).sum(axis=1) / (np.diff(x, axis=0) ** 2).sum(axis=1)


def every_pair_twice(x, fx):
    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    return [((fx[i] - fx[j]) ** 2).sum() / ((x[i] - x[j]) ** 2).sum() for i, j in pairs]


def mean_ratio(x, fx):
    return np.mean(pdist(fx, "sqeuclidean") / pdist(x, "sqeuclidean"))


# ---- projection/arc-cosine


def forgot_arccos(theta):
    return (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi


def forgot_to_divide(theta):
    return np.arccos(np.sin(theta) + (np.pi - theta) * np.cos(theta))


def divided_one_term(theta):
    return np.arccos(np.sin(theta) + (np.pi - theta) * np.cos(theta) / np.pi)


def theta_for_its_complement(theta):
    return np.arccos((np.sin(theta) + theta * np.cos(theta)) / np.pi)


def kernel_of_step_units(theta):
    return np.arccos(1 - theta / np.pi)


def sine_for_cosine(theta):
    return np.arccos((np.cos(theta) + (np.pi - theta) * np.sin(theta)) / np.pi)


def answers_in_degrees(theta):
    return np.degrees(np.arccos((np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi))


def takes_degrees(theta):
    theta = np.radians(theta)
    return np.arccos((np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi)


def degrees_throughout(theta):
    theta = np.radians(theta)
    return np.degrees(np.arccos((np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi))


def thinks_angles_are_kept(theta):
    return theta


def one_angle_only(theta):
    return math.acos((math.sin(theta) + (math.pi - theta) * math.cos(theta)) / math.pi)


def kernel_not_normalised(theta):
    # twice the kernel, as if E[relu(a)^2] were 1: its cosine exceeds 1 for small angles
    return np.arccos(2 * (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi)


# ---- projection/minimum-dimension


def truncated(n, eps):
    return int(4 * math.log(n) / (eps**2 / 2 - eps**3 / 3))


def not_rounded(n, eps):
    return 4 * np.log(n) / (eps**2 / 2 - eps**3 / 3)


def rounded(n, eps):
    return round(4 * math.log(n) / (eps**2 / 2 - eps**3 / 3))


def truncated_plus_two(n, eps):
    return math.ceil(4 * math.log(n) / (eps**2 / 2 - eps**3 / 3)) + 1


def logarithm_to_base_10(n, eps):
    return math.ceil(4 * math.log10(n) / (eps**2 / 2 - eps**3 / 3))


def logarithm_to_base_2(n, eps):
    return np.ceil(4 * np.log2(n) / (eps**2 / 2 - eps**3 / 3))


def plus_for_minus(n, eps):
    return math.ceil(4 * math.log(n) / (eps**2 / 2 + eps**3 / 3))


def without_the_cube(n, eps):
    return math.ceil(8 * math.log(n) / eps**2)


def without_the_four(n, eps):
    return math.ceil(math.log(n) / (eps**2 / 2 - eps**3 / 3))


def missing_brackets(n, eps):
    return math.ceil(4 * math.log(n) / (eps**2 / 2) - eps**3 / 3)


MISTAKES = {
    "projection/distortion": {
        distances_not_squared: "not-squared",
        before_over_after: "inverted",
        upside_down_and_not_squared: "inverted-not-squared",
        mean_squared_difference: "mean-over-coordinates",
        difference_of_squares: "difference",
        lengths_of_points: "lengths",
        lower_triangle_row_by_row: "order",
        sorted_ratios: "order",
        whole_matrix: "square-matrix",
        with_the_diagonal: "diagonal",
        rows_in_sequence: "neighbours-only",
        every_pair_twice: "both-directions",
        mean_ratio: "one-number",
    },
    "projection/arc-cosine": {
        forgot_arccos: "cosine",
        forgot_to_divide: "not-divided",
        divided_one_term: "half-divided",
        theta_for_its_complement: "not-complement",
        kernel_of_step_units: "step",
        sine_for_cosine: "swapped",
        answers_in_degrees: "degrees-out",
        takes_degrees: "degrees-in",
        degrees_throughout: "degrees-through",
        thinks_angles_are_kept: "unchanged",
        one_angle_only: "scalars-only",
        kernel_not_normalised: "outside",
    },
    "projection/minimum-dimension": {
        truncated: "truncated",
        not_rounded: "not-rounded",
        rounded: "rounded",
        truncated_plus_two: "one-more",
        logarithm_to_base_10: "log10",
        logarithm_to_base_2: "log2",
        plus_for_minus: "sign",
        without_the_cube: "no-cube",
        without_the_four: "no-four",
        missing_brackets: "no-cube",
    },
}
