"""Random projections: the Johnson-Lindenstrauss lemma, distances, angles and groups under random maps.

Pure functions on arrays: numpy in, numpy out; tensor in, tensor out on its device. Importing this room imports
neither torch nor scikit-learn; a function that needs them does so when it is called.
"""

from .angles import (
    angle_map,
    angles,
    arc_cosine_kernel,
    erf_kernel,
    relu_angle,
    relu_distortion,
    second_moment,
    tanh_kernel,
)
from .distances import distortion, squared_distances
from .groups import (
    class_separation,
    knn_accuracy,
    linear_probe_accuracy,
    neighbour_overlap,
    neighbour_purity,
    wide_separation,
)
from .histogram import DistortionHistogram, distortion_histogram
from .lemma import (
    chernoff_tail,
    distortion_variance,
    failure_probability,
    length_distribution,
    minimum_dimension,
    ratio_distribution,
    spikiness,
)
from .maps import KINDS, RandomMap, random_map

__all__ = [
    "KINDS",
    "DistortionHistogram",
    "RandomMap",
    "angle_map",
    "angles",
    "arc_cosine_kernel",
    "chernoff_tail",
    "class_separation",
    "distortion",
    "distortion_histogram",
    "distortion_variance",
    "erf_kernel",
    "failure_probability",
    "knn_accuracy",
    "length_distribution",
    "linear_probe_accuracy",
    "minimum_dimension",
    "neighbour_overlap",
    "neighbour_purity",
    "random_map",
    "ratio_distribution",
    "relu_angle",
    "relu_distortion",
    "second_moment",
    "spikiness",
    "squared_distances",
    "tanh_kernel",
    "wide_separation",
]
