"""Evidence: the verdict follows from the numbers, and NaN never holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerlab.lab import Claim, Evidence

finite = st.floats(-1e6, 1e6)


@given(measured=finite, expected=finite, tolerance=st.floats(0, 1e6))
def test_the_two_one_sided_relations_together_are_the_two_sided_one(measured, expected, tolerance):
    both = [Evidence(measured, expected, tolerance, relation).holds for relation in ("≤", "≥")]
    near = Evidence(measured, expected, tolerance).holds
    assert any(both)
    if abs(abs(measured - expected) - tolerance) > 1e-6 * (1 + tolerance):
        assert near == all(both)


@pytest.mark.parametrize("relation", ["≈", "≤", "≥"])
def test_nan_never_holds(relation):
    assert not Evidence(math.nan, 1, 10, relation).holds
    assert not Evidence(1, math.nan, 10, relation).holds


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="relation"):
        Evidence(1, 1, 0, "<")
    with pytest.raises(ValueError, match="tolerance"):
        Evidence(1, 1, -1)
    with pytest.raises(ValueError, match="tolerance"):
        Evidence(1, 1, math.nan)


def test_a_claim_as_plain_values_names_its_verdict():
    claim = Claim("a", "b", lambda result: None)
    assert claim.as_dict(None)["verdict"] == "untested"
    assert claim.as_dict(Evidence(1, 1))["verdict"] == "holds"
    row = claim.as_dict(Evidence(3, 1, 1, "≤", spread=0.5))
    assert (row["verdict"], row["measured"], row["spread"]) == ("fails", 3.0, 0.5)
