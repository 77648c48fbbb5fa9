"""plane/bins: finer cells never show less, and claims that can fail."""

import pytest

from layerlab import lab

EXPERIMENT = lab.get("plane/bins")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def test_what_is_a_theorem_holds_and_nothing_exceeds_the_inputs(run):
    assert next(evidence.holds for _, evidence in run.evidence())
    assert float(run.result["binned"].max()) <= 12 + 1e-9
    assert run.result["binned"].dims == ("epoch", "layer", "width", "seed")


def test_more_noise_leaves_less(run):
    assert float(run.result["noisy"].diff("deviation").max()) < 1e-6


def test_the_share_of_saturated_units_is_a_share(run):
    share = run.result["saturation"]
    assert 0 <= float(share.min()) <= float(share.max()) <= 1


def test_a_wrong_result_makes_its_claim_fail(run):
    result = run.result
    late, fine = result["epoch"] == result["epoch"][-1], result["width"] == result["width"][-1]
    wrongs = (
        result.assign(binned=result["binned"].where(~fine, 0.0)),
        result.assign(binned=result["binned"].where(~(late & fine), 0.0)),
        result.assign(binned=result["binned"] - 10 * late * result["width"]),
        result.assign(noisy=0 * result["noisy"]),
        result.assign(saturation=0 * result["saturation"] - result["saturation"] * result["layer"],
                      binned=result["binned"] - 5 * late * result["saturation"] * result["layer"]),
    )  # fmt: skip
    for claim, wrong in zip(EXPERIMENT.claims, wrongs, strict=True):
        assert not claim.check(wrong).holds


def test_saturation_is_asked_of_tanh_alone(run):
    relu = run.result.copy()
    relu.attrs["activation"] = "relu"
    assert EXPERIMENT.claims[4].check(relu) is None
