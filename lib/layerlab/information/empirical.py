"""The information bottleneck of a sample, held against the joint distribution that the sample came from.

Source: O. Shamir, S. Sabato, N. Tishby, Learning and generalization with the information bottleneck, 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerlab.information.bottleneck import information_bottleneck
from layerlab.information.measures import check_distribution, entropy
from layerlab.information.sampling import delivered_information, plane_point, smoothed_decoder, unit_total


@dataclass(frozen=True)
class EmpiricalCurve:
    """What the bottleneck finds on a sample, and what that is worth. Arrays over beta; informations in bits.

    i_xt_sample, i_ty_sample: the informations of the encoder under the empirical joint, as the sample shows them.
    i_xt, i_ty: of the same encoder under the true joint. An x that the sample lacks is coded as p̂(t).
    delivered: what the decoder of the same sample, smoothed, gets out of T under the true joint.
    occupied: 2^H(T) under the empirical joint, the effective number of clusters. converged: for each beta.
    """

    beta: np.ndarray
    i_xt_sample: np.ndarray
    i_ty_sample: np.ndarray
    i_xt: np.ndarray
    i_ty: np.ndarray
    delivered: np.ndarray
    occupied: np.ndarray
    converged: np.ndarray


def empirical_curve(
    p_xy: np.ndarray, sample: np.ndarray, n: int, betas: np.ndarray, pseudocount: float = 0.5, **options: Any
) -> EmpiricalCurve:
    """The information bottleneck of a sample, each encoder then held against the true joint.

    p_xy: (|X|, |Y|) true joint. sample: (|X|, |Y|) relative frequencies of n draws, as `empirical_joint` gives. betas
    and options: as of `information_bottleneck`. Raises as that does, and ValueError if the shapes differ.
    """
    p_xy = check_distribution(p_xy, "p_xy", (-2, -1))
    sample = check_distribution(sample, "sample", (-2, -1))
    if p_xy.shape != sample.shape or p_xy.ndim != 2:
        raise ValueError(f"p_xy and sample must be of one shape (|X|, |Y|); they were {p_xy.shape} and {sample.shape}")
    found = information_bottleneck(sample, betas, **options)
    encoder = found.encoder
    encoder = encoder / encoder.sum(-1, keepdims=True)
    i_xt, i_ty = plane_point(p_xy, encoder)
    i_xt_sample, i_ty_sample = plane_point(sample, encoder)
    decoder = smoothed_decoder(n * encoder.swapaxes(-1, -2) @ sample, pseudocount)
    delivered = delivered_information(unit_total(encoder.swapaxes(-1, -2) @ p_xy), decoder)
    masses = sample.sum(1) @ encoder
    return EmpiricalCurve(
        beta=found.beta,
        i_xt_sample=i_xt_sample,
        i_ty_sample=i_ty_sample,
        i_xt=i_xt,
        i_ty=i_ty,
        delivered=delivered,
        occupied=2 ** entropy(masses / masses.sum(-1, keepdims=True)),
        converged=found.converged,
    )
