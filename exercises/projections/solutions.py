"""Model solutions of the programming exercises in the chapter on projections."""

import math

import numpy as np
from scipy.spatial.distance import pdist


def distortion(x, fx):
    """Squared distance after over before, for all pairs of rows in the order of scipy's pdist."""
    return pdist(fx, "sqeuclidean") / pdist(x, "sqeuclidean")


def angle_map(theta):
    """The angle of two inputs at angle theta (radians, number or array) after a wide random ReLU layer."""
    cosine = (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi
    return np.arccos(np.clip(cosine, -1, 1))


def minimum_dimension(n, eps):
    """The least whole k with k >= 4 ln n / (eps^2/2 - eps^3/3)."""
    return math.ceil(4 * math.log(n) / (eps**2 / 2 - eps**3 / 3))


SOLUTIONS = {
    "projection/distortion": distortion,
    "projection/arc-cosine": angle_map,
    "projection/minimum-dimension": minimum_dimension,
}
