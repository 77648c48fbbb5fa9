"""The stages of a training, told from the information of one layer by one rule.

The phase change is the moment at which I(X;T) is largest. Fitting is what comes before it, compression what comes
after, until nine tenths of the fall are done. What a network does is read off its own curve; nothing is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.9  # of the fall: with it the compression counts as done


@dataclass(frozen=True)
class Stages:
    """The stages of N networks, each an array (N,).

    change: the moment of the largest I(X;T), as an index. settled: the first moment from there on at which
    SHARE of the fall is done. rise: from the least I(X;T) before the change up to the largest, in bits. fall: from
    the largest to the last, in bits: the compression.
    """

    change: np.ndarray
    settled: np.ndarray
    rise: np.ndarray
    fall: np.ndarray


def stages(i_xt: np.ndarray) -> Stages:
    """The stages of N curves I(X;T) at T moments, (N, T) in bits. ValueError for other shapes, NaN or nothing."""
    curves = np.asarray(i_xt, dtype=np.float64)
    if curves.ndim != 2 or 0 in curves.shape or not np.isfinite(curves).all():
        raise ValueError(f"i_xt must be finite curves (networks, moments), none of them 0; it was {curves.shape}")
    change = curves.argmax(1)
    moment = np.arange(curves.shape[1])
    top = curves.max(1)
    before = np.where(moment <= change[:, None], curves, np.inf).min(1)
    fall = top - curves[:, -1]
    done = (moment >= change[:, None]) & (curves <= (top - SHARE * fall)[:, None] + 1e-12)
    return Stages(change, done.argmax(1), top - before, fall)
