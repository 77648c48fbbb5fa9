"""plane/gradient_phases: transitions and compressions are read off as defined, and its claims can fail."""

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.experiments.plane import _gradients as gradients
from layerlab.experiments.plane import gradient_phases
from layerlab.training import GradientObserver

EXPERIMENT = lab.get("plane/gradient_phases")


@pytest.fixture(scope="module")
def stored():
    store = lab.Store()
    return {run.config.key(): run.result for run in store.runs(EXPERIMENT)}


@pytest.fixture(scope="module")
def short():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def made():
    """Two networks whose layer k turns diffusive at epoch 2^k, and whose last hidden layer peaks at epoch 4."""
    epoch = 2.0 ** np.arange(10)
    layers = np.arange(1, 7)
    snr = np.where(epoch[:, None] < 2.0**layers, 3.0, 0.5)[None].repeat(2, 0)
    i_xt = np.full((2, 10, 5), 12.0)
    i_xt[:, :, 4] = [7, 7.5, 9, 8, 7, 6, 5, 5, 5, 5]
    result = xr.Dataset(
        {"snr": (("seed", "epoch", "layer"), snr), "i_xt": (("seed", "epoch", "hidden"), i_xt)},
        coords={"epoch": epoch, "layer": layers, "hidden": np.arange(1, 6)},
    )
    return result.assign_attrs(activation="tanh", epochs=512, seeds=2)


def test_transitions_and_compressions_are_those_that_were_put_in():
    result = made()
    np.testing.assert_array_equal(gradient_phases.transitions(result), [2.0 ** np.arange(1, 7)] * 2)
    found = gradient_phases.compressions(result).isel(hidden=-1)
    assert found["lost"].values.tolist() == [4, 4]
    assert found["peak"].values.tolist() == [4, 4]
    assert found["snr"].values.tolist() == [3, 3]
    assert found["after"].values.tolist() == [0.25, 0.25]  # 6 bits at epoch 32, of 9 at the peak and 5 at the end
    assert gradient_phases.compressions(result).isel(hidden=0)["peak"].isnull().all()


def test_the_claims_say_what_these_courses_mean():
    verdicts = [claim.check(made()) for claim in EXPERIMENT.claims]
    assert [v.holds for v in verdicts] == [True, True, True, False, False]
    assert verdicts[3].measured == 3  # octaves from epoch 4 to epoch 32


@pytest.mark.parametrize(
    ("variable", "change", "which"),
    [
        ("snr", lambda v: v * 0.1, 0),
        ("snr", lambda v: v * 10, 1),
        ("i_xt", lambda v: v * 0.1, 2),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(variable, change, which):
    wrong = made().assign({variable: change(made()[variable])})
    evidence = EXPERIMENT.claims[which].check(wrong)
    assert evidence is None or not evidence.holds
    assert evidence is not None or which == 2


def test_claims_hold_where_compression_does_begin_at_the_transition():
    early = made()
    early["i_xt"][:, :, 4] = [7, 7, 7, 7, 8, 9, 8, 7, 6, 5]
    assert EXPERIMENT.claims[3].check(early).holds
    assert EXPERIMENT.claims[4].check(early).holds


def test_a_short_run_tests_no_claim_about_the_end(short):
    assert EXPERIMENT.claims[1].check(short.result) is None
    assert EXPERIMENT.claims[4].check(short.result) is None


def test_windows_are_whole_epochs_that_do_not_overlap():
    ends, moments = gradients.schedule(3600, 6, 36)
    assert ends[0] == 6
    assert ends[-1] == 3600
    assert min(np.diff(ends)) >= 6
    assert moments == sorted({e - 6 for e in ends} | set(ends))
    assert gradients.schedule(4, 6, 36) == ([4], [0, 4])


def test_every_window_has_a_deviation(short):
    assert short.result["snr"].notnull().all()
    assert short.result.sizes["seed"] == 2


def test_a_network_does_not_depend_on_how_many_others_there_are(short):
    alone = lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=1), "cpu").result
    np.testing.assert_allclose(short.result["snr"][0], alone["snr"][0], rtol=1e-2)
    rows = gradients.training_rows(0, 2)
    assert rows.shape == (2, 3072)
    np.testing.assert_array_equal(rows[0], gradients.training_rows(0, 1)[0])
    assert not np.array_equal(rows[0], rows[1])


def test_rows_named_afterwards_are_those_that_were_trained_on(monkeypatch):
    seen = {}
    from layerlab import training

    def spy(networks, x, y, config, *, subset, **more):
        seen["rows"] = subset
        raise RuntimeError("enough")

    monkeypatch.setattr(training, "train", spy)
    with pytest.raises(RuntimeError, match="enough"):
        gradients.train(
            activation="tanh", batch=512, steps=6, moments=3, seeds=2, seed=5, optimizer="adam", learning_rate=1e-3,
            examples=False, device="cpu",
        )  # fmt: skip
    np.testing.assert_array_equal(seen["rows"], gradients.training_rows(5, 2))
    assert GradientObserver().state()["rows"] == []


def test_compression_came_first_in_the_stored_tanh_run(stored):
    result = stored["activation=tanh,epochs=600,seed=0,seeds=10"]
    found = gradient_phases.compressions(result).isel(hidden=-1)
    assert float(found["snr"].median()) > 3  # at the peak of I(X;T) the mean gradient still rules
