"""information/typicality: surprise of sources and of patches, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.data import load
from layerlab.experiments.information import typicality
from layerlab.information import entropy

EXPERIMENT = lab.get("information/typicality")


def measured(source):
    return lab.execute(EXPERIMENT, EXPERIMENT.config(source=source, seeds=2), "cpu")


@pytest.fixture(scope="module")
def run():
    return measured("product")


def test_a_product_source_obeys_all_but_the_formula_as_it_stands(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True, True, True, True, False]


def test_a_chain_has_its_entropy_and_its_spread():
    assert [evidence.holds for _, evidence in measured("chain").evidence()][:4] == [True] * 4


def test_a_mixture_never_concentrates():
    run = measured("mixture")
    evidence = [e for _, e in run.evidence()]
    assert evidence[0] is None
    assert [e.holds for e in evidence[1:]] == [True, False, False, False]
    end = float(run.result["spread"].isel(n=-1).mean())
    assert end == pytest.approx((entropy([0.4, 0.6]) - entropy([0.1, 0.9])) / 2, rel=0.02)


def test_patches_of_digits_have_no_theory_but_a_spread():
    run = measured("digits")
    assert [e is None for _, e in run.evidence()] == [True, True, False, False, False]
    assert run.provenance.data == {"digits": load("digits").checksum}
    assert run.result["n"].values.tolist() == [s * s for s in range(1, 9)]
    assert 0 < float(run.result["rate"].max()) < 1.2


def test_contexts_are_the_four_neighbours_that_come_before():
    patch = np.array([[[1, 0], [0, 1]]])
    outside = 2
    codes = [
        (outside, outside, outside, outside),
        (1, outside, outside, outside),
        (outside, outside, 1, 0),
        (0, 1, 0, outside),
    ]
    wanted = [int("".join(map(str, code)), 3) for code in codes]
    assert typicality.contexts(patch).ravel().tolist() == wanted


def test_patches_of_noise_cost_a_bit_for_each_pixel():
    noise = load("digits")
    rng = np.random.default_rng(0)
    coins = noise.x_train * 0 + rng.integers(0, 2, noise.x_train.shape)
    changed = type(noise)(**{**vars(noise), "x_train": coins.astype(np.float32)})
    n, bits, apart = typicality.patches(changed, rng)
    assert bits.mean(0) / n == pytest.approx(np.ones(8), abs=0.05)
    assert bits.std(0)[-1] / n[-1] == pytest.approx(apart[-1], rel=0.2)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("rate", lambda x: x * 1.05, 0),
        ("spread", lambda x: x * 1.2, 1),
        ("spread", lambda x: x * 0 + 1, 2),
        ("typical", lambda x: x * 0.9, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds
