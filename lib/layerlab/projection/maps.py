"""Random linear maps from R^d to R^k that keep squared lengths on average."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerlab.arrays import is_tensor, matrix, whole

KINDS = ("gaussian", "sparse", "orthonormal")


@dataclass(frozen=True, eq=False)
class RandomMap:
    """A drawn map: `matrix` (k x d; numpy array, or scipy CSR for kind sparse), applied to rows by `transform`."""

    kind: str
    d: int
    k: int
    matrix: Any

    def transform(self, x: Any) -> Any:
        """x R^T: each row of x (samples x d) mapped to R^k.

        numpy in, numpy out; tensor in, tensor out on its device. Floating types are kept, others become float64
        (numpy) or the default float (tensor). Raises ValueError if x isn't a finite matrix with d columns.
        """
        x = matrix(x, "x", rows=0)
        if x.shape[1] != self.d:
            raise ValueError(f"x must have d = {self.d} columns, not {x.shape[1]}")
        if not is_tensor(x):
            return np.ascontiguousarray((self.matrix.astype(x.dtype, copy=False) @ x.T).T)
        torch = sys.modules["torch"]
        dense = self.matrix if self.kind != "sparse" else self.matrix.toarray()
        return x @ torch.as_tensor(dense).to(device=x.device, dtype=x.dtype).T

    __call__ = transform


def random_map(kind: str, d: int, k: int, seed: int | np.random.SeedSequence = 0) -> RandomMap:
    """A random linear map R from R^d to R^k with E|Rx|^2 = |x|^2 for every x.

    gaussian:    R_ij ~ N(0, 1/k), independent (scikit-learn's GaussianRandomProjection). Any k.
    sparse:      R_ij = 0 with probability 1 - 1/sqrt(d), else +- d^(1/4)/sqrt(k) with equal probability
                 (scikit-learn's SparseRandomProjection; P. Li, T. Hastie, K. Church 2006). Any k.
    orthonormal: sqrt(d/k) times the first k rows of a uniformly (Haar) distributed orthogonal matrix, from the QR
                 decomposition of a Gaussian one with the signs of R's diagonal moved to Q (F. Mezzadri 2007).
                 Needs k <= d; for k = d it is a rotation and keeps every length.

    seed: a non-negative int or a SeedSequence; the same seed gives the same map, and no global state is touched.
    Raises TypeError for non-integers, ValueError for an unknown kind, d or k < 1, or orthonormal with k > d.

    >>> random_map("orthonormal", 64, 10, seed=1).transform(np.eye(64)).shape
    (64, 10)
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    d, k = whole(d, "d", 1), whole(k, "k", 1)
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(whole(seed, "seed", 0))
    bits = np.random.PCG64(seed)
    if kind == "orthonormal":
        if k > d:
            raise ValueError(f"an orthonormal map needs k <= d, not k = {k} > d = {d}")
        return RandomMap(kind, d, k, _orthonormal(d, k, np.random.Generator(bits)))
    return RandomMap(kind, d, k, _from_sklearn(kind, d, k, np.random.RandomState(bits)))


def _orthonormal(d: int, k: int, generator: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(generator.standard_normal((d, k)))
    signs = np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray((q * signs).T) * np.sqrt(d / k)


def _from_sklearn(kind: str, d: int, k: int, state: np.random.RandomState) -> Any:
    from scipy import sparse
    from sklearn.exceptions import DataDimensionalityWarning
    from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

    estimator = GaussianRandomProjection if kind == "gaussian" else SparseRandomProjection
    with warnings.catch_warnings():  # k > d is a fair question here: the lemma's k often exceeds a small d
        warnings.simplefilter("ignore", DataDimensionalityWarning)
        fitted = estimator(n_components=k, random_state=state).fit(sparse.csr_matrix((1, d)))
    components = fitted.components_
    return components.tocsr() if sparse.issparse(components) else components
