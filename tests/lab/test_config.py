"""Parameters and configs: what is allowed, what is refused and how, names, seeds."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerlab import lab
from layerlab.lab import choice, integer, real, torch_seed
from layerlab.lab.config import parameters


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    n: int = integer(5, "count", low=1, high=9)
    x: float = real(0.5, "share", low=0.0, high=1.0)
    kind: str = choice("a", "kind", ("a", "b"))


def test_own_fields_come_before_the_seeds():
    assert [p.name for p in parameters(Config)] == ["n", "x", "kind", "seed", "seeds"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 0), ("n", 10), ("n", 2.5), ("n", True), ("n", "3"), ("n", None), ("n", math.inf), ("x", math.nan),
     ("x", -0.1), ("x", [0.5]), ("kind", "c"), ("kind", None), ("seeds", 0), ("seed", -1)],
)  # fmt: skip
def test_a_value_that_is_not_allowed_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=rf"^{field} must be .*it was "):
        Config(**{field: value})


def test_numpy_numbers_become_plain_ones():
    config = Config(n=np.int64(3), x=np.float32(0.25))
    assert (type(config.n), type(config.x)) == (int, float)
    assert config == Config(n=3.0, x=0.25)


@given(n=st.integers(1, 9), x=st.floats(0, 1), kind=st.sampled_from("ab"), seed=st.integers(0, 2**31 - 1))
def test_keys_are_unique_and_text_parses_back(n, x, kind, seed):
    config = Config(n=n, x=x, kind=kind, seed=seed)
    fields = dict(part.split("=") for part in config.key().split(","))
    parsed = {p.name: p.parse(fields[p.name]) for p in parameters(Config)}
    assert Config(**parsed) == config


def test_text_that_is_no_value_is_refused():
    by_name = {p.name: p for p in parameters(Config)}
    for name, text in (("n", "two"), ("n", "2.5"), ("x", "much"), ("x", "nan"), ("kind", "z"), ("n", "")):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            by_name[name].parse(text)


def test_a_field_without_a_parameter_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Wrong(lab.Config):
        loose: int = 3

    with pytest.raises(TypeError, match="loose"):
        Wrong()


def test_streams_differ_and_do_not_depend_on_their_number():
    few, many = Config(seeds=2).streams(), Config(seeds=6).streams()
    seeds = [torch_seed(s) for s in many]
    assert len(set(seeds)) == 6
    assert seeds[:2] == [torch_seed(s) for s in few]
    assert seeds[0] != torch_seed(Config(seed=1).streams()[0])
    assert all(0 <= s < 2**63 for s in seeds)
