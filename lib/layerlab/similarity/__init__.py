"""Do two layers say the same? Matching of units, canonical correlations, SVCCA, PWCCA, CKA, Procrustes.

Rows are samples, columns are units; leading axes are a batch. numpy in, numpy out; tensor in, tensor out on its device.
"""

from .alignment import linear_cka, procrustes_distance
from .basis import Basis, basis, participation_ratio
from .canonical import Canonical, cca, pwcca, svcca
from .layout import positions_as_samples, units_per_pixel
from .matching import Matching, correlation, match_units
from .prediction import Prediction, sparse_prediction
from .stream import Stream

__all__ = [
    "Basis",
    "Canonical",
    "Matching",
    "Prediction",
    "Stream",
    "basis",
    "cca",
    "correlation",
    "linear_cka",
    "match_units",
    "participation_ratio",
    "positions_as_samples",
    "procrustes_distance",
    "pwcca",
    "sparse_prediction",
    "svcca",
    "units_per_pixel",
]
