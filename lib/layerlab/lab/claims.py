"""What theory says of a result, and whether the result bears it out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr

Relation = Literal["≈", "≤", "≥"]


@dataclass(frozen=True)
class Evidence:
    """A measured number beside the one that theory expects.

    `holds` follows from the other fields: |measured - expected| <= tolerance for "≈",
    measured <= expected + tolerance for "≤", measured >= expected - tolerance for "≥".
    A NaN in either number means that it does not hold. Each number may be anything that `float` takes. `spread` is the
    standard deviation over seeds, where there are several.
    """

    measured: Any
    expected: Any
    tolerance: Any = 0.0
    relation: Relation = "≈"
    spread: Any = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.relation not in ("≈", "≤", "≥"):
            raise ValueError(f"relation must be ≈, ≤ or ≥; it was {self.relation!r}")
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must be at least 0; it was {self.tolerance!r}")
        for name in ("measured", "expected", "tolerance", "spread"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    @property
    def holds(self) -> bool:
        """Whether the measured number bears the claim out."""
        if math.isnan(self.measured) or math.isnan(self.expected):
            return False
        if self.relation == "≈":
            return abs(self.measured - self.expected) <= self.tolerance or self.measured == self.expected
        if self.relation == "≤":
            return self.measured <= self.expected + self.tolerance
        return self.measured >= self.expected - self.tolerance


def spread(values: Any) -> float | None:
    """The standard deviation over the `seed` axis of a DataArray (ddof 1); None if there is one seed only."""
    return float(values.std("seed", ddof=1)) if values.sizes["seed"] > 1 else None


@dataclass(frozen=True)
class Claim:
    """A statement about an experiment, its source, and the check that puts a result beside it.

    `check(result)` returns an `Evidence`, or None where this run cannot test the claim. A claim that our runs
    contradict stays in the book, with `disputed` saying what is wrong with it: it is expected to fail somewhere.
    """

    statement: str
    source: str
    check: Callable[[xr.Dataset], Evidence | None]
    disputed: str = ""

    def as_dict(self, evidence: Evidence | None) -> dict[str, Any]:
        """The claim and its evidence as plain values; `verdict` is holds, fails or untested."""
        row: dict[str, Any] = {
            "statement": self.statement,
            "source": self.source,
            "disputed": self.disputed,
            "verdict": "untested" if evidence is None else "holds" if evidence.holds else "fails",
        }
        if evidence is not None:
            row |= {
                "measured": evidence.measured,
                "expected": evidence.expected,
                "tolerance": evidence.tolerance,
                "relation": evidence.relation,
                "spread": evidence.spread,
                "unit": evidence.unit,
            }
        return row
