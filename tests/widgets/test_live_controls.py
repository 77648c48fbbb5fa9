"""The controls of the live widget: what is typed, what is slid, and how the two agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerlab.lab import Parameter
from layerlab.widgets.controls import Control, Form

LOG = Parameter("n", "numbers", "integer", 100, 2, 10_000, log=True, help="drawn for each seed")
REAL = Parameter("eps", "distortion ε", "real", 0.1, 0.01, 0.5, unit="m")
WHOLE = Parameter("depth", "depth", "integer", 3, 1, 12)
SEED = Parameter("seed", "base seed", "integer", 0, 0, 2**31 - 1)
OPEN = Parameter("scale", "scale", "real", 1.0, 0.0)
KIND = Parameter("kind", "kind of map", "choice", "gaussian", options=("gaussian", "sparse"))


def control(parameter, stops=()):
    changes = []
    return Control(parameter, parameter.default, lambda: changes.append(1), stops), changes


@pytest.mark.parametrize(("parameter", "slider"), [(LOG, True), (REAL, True), (WHOLE, True), (SEED, False),
                                                   (OPEN, False), (KIND, False)])  # fmt: skip
def test_a_slider_is_there_where_it_helps(parameter, slider):
    made, _ = control(parameter)
    assert (made.slider is not None) == slider
    assert made.value == parameter.default


def test_the_label_says_the_unit_and_the_tooltip_the_bounds():
    assert control(REAL)[0].entry.description == "distortion ε [m]"
    assert control(REAL)[0].entry.tooltip == "number from 0.01 to 0.5"
    assert control(LOG)[0].entry.tooltip == "drawn for each seed; whole number from 2 to 10000"
    assert control(OPEN)[0].entry.tooltip == "number from 0"
    assert control(KIND)[0].entry.tooltip == "kind of map"


@given(st.integers(2, 10_000))
def test_any_whole_number_within_bounds_can_be_typed_exactly(value):
    made, changes = control(LOG, stops=[10, 100])
    made.entry.value = value
    assert made.value == value
    assert len(changes) == (value != 100)


@given(st.floats(0.01, 0.5))
def test_any_real_number_within_bounds_can_be_typed_exactly(value):
    made, _ = control(REAL)
    made.entry.value = value
    assert made.value == value
    assert made.slider.value == pytest.approx(value)


@given(st.floats(0, 1), st.sampled_from([LOG, REAL, WHOLE]))
def test_every_place_of_a_slider_is_an_allowed_value(share, parameter):
    made, _ = control(parameter, stops=[parameter.default])
    low, high = made.slider.min, made.slider.max
    position = low + share * (high - low)
    made.slider.value = round(position) if parameter is WHOLE else position
    assert parameter.low <= made.value <= parameter.high


def test_the_ends_of_a_slider_are_the_bounds():
    for parameter in (LOG, REAL, WHOLE):
        made, _ = control(parameter)
        made.slider.value = made.slider.max
        assert made.value == parameter.high
        made.slider.value = made.slider.min
        assert made.value == parameter.low


def test_a_slider_snaps_to_the_stored_values():
    made, changes = control(LOG, stops=[10, 1000])
    made.slider.value = 3.004
    assert made.value == 1000
    made.slider.value = 2.9
    assert made.value == 794
    assert len(changes) == 2


def test_one_change_is_told_once_and_the_other_half_follows():
    made, changes = control(LOG)
    made.entry.value = 1000
    assert made.slider.value == pytest.approx(3)
    assert len(changes) == 1
    made.slider.value = 1
    assert made.entry.value == 10
    assert len(changes) == 2


@pytest.mark.parametrize("value", [1, 20_000, -5])
def test_a_number_out_of_bounds_is_kept_as_typed_and_refused(value):
    made, changes = control(LOG)
    made.entry.value = value
    assert changes
    with pytest.raises(ValueError, match=f"n must be a whole number from 2 to 10000; it was {value}"):
        _ = made.value
    assert made.slider.min <= made.slider.value <= made.slider.max


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_refused(value):
    made, _ = control(REAL)
    made.entry.value = value
    with pytest.raises(ValueError, match="eps must be a number from"):
        _ = made.value


def test_a_form_tells_of_several_changes_once():
    changes = []
    form = Form([LOG, KIND], {"n": 100, "kind": "gaussian"}, lambda: changes.append(1), {})
    form.set({"n": 5, "kind": "sparse"})
    assert form.values() == {"n": 5, "kind": "sparse"}
    assert len(changes) == 1
    with pytest.raises(ValueError, match="kind must be one of gaussian, sparse"):
        form.set({"kind": "dense"})
