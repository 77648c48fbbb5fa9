"""Information theory: entropies, rate and distortion, the information bottleneck and its bifurcations, finite samples.

Pure functions on arrays: numpy in, numpy out; tensor in, tensor out on its device. Informations are in bits unless a
`base` says otherwise. Importing this room does not import torch; a function that needs it does so when it is called.
"""

from . import joints
from .binning import binned_cells, binned_information, original_binned_information
from .bottleneck import (
    Bottleneck,
    bottleneck_clusters,
    bottleneck_loss,
    bottleneck_step,
    information_bottleneck,
    merge_classes,
)
from .branches import Bifurcation, Branches, find_bifurcations, follow_branches
from .critical import Onset, best_newcomer, critical_betas, newcomer_growth, onset, split_matrix
from .empirical import EmpiricalCurve, empirical_curve
from .gaussian_channels import class_channel_information, class_covariances, gaussian_capacity, gaussian_information
from .kde import KdeInformation, kde_information
from .measures import (
    check_distribution,
    conditional_entropy,
    conditional_mutual_information,
    entropy,
    kl_divergence,
    mutual_information,
)
from .noisy import NoisyInformation, noisy_information
from .rate_distortion import (
    RateDistortion,
    binary_rate_distortion,
    gaussian_rate_distortion,
    rate_distortion,
)
from .sampling import (
    decoder_error_scale,
    delivered_information,
    empirical_joint,
    encoder_error_scale,
    entropy_deviation,
    entropy_shortfall,
    hypothesis_class_bound,
    information_bias,
    input_compression_bound,
    plane_point,
    smoothed_decoder,
)
from .typicality import (
    TypicalSet,
    binary_typical_set,
    chain_surprisal,
    draw_chain,
    entropy_rate,
    stationary_distribution,
    varentropy,
)

__all__ = [
    "Bifurcation",
    "Bottleneck",
    "Branches",
    "EmpiricalCurve",
    "KdeInformation",
    "NoisyInformation",
    "Onset",
    "RateDistortion",
    "TypicalSet",
    "best_newcomer",
    "binary_rate_distortion",
    "binary_typical_set",
    "binned_cells",
    "binned_information",
    "bottleneck_clusters",
    "bottleneck_loss",
    "bottleneck_step",
    "chain_surprisal",
    "check_distribution",
    "class_channel_information",
    "class_covariances",
    "conditional_entropy",
    "conditional_mutual_information",
    "critical_betas",
    "decoder_error_scale",
    "delivered_information",
    "draw_chain",
    "empirical_curve",
    "empirical_joint",
    "encoder_error_scale",
    "entropy",
    "entropy_deviation",
    "entropy_rate",
    "entropy_shortfall",
    "find_bifurcations",
    "follow_branches",
    "gaussian_capacity",
    "gaussian_information",
    "gaussian_rate_distortion",
    "hypothesis_class_bound",
    "information_bias",
    "information_bottleneck",
    "input_compression_bound",
    "joints",
    "kde_information",
    "kl_divergence",
    "merge_classes",
    "mutual_information",
    "newcomer_growth",
    "noisy_information",
    "onset",
    "original_binned_information",
    "plane_point",
    "rate_distortion",
    "smoothed_decoder",
    "split_matrix",
    "stationary_distribution",
    "varentropy",
]
