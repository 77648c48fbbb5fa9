"""Groups: members depend on their own seed only, keep their labels, and are trained once."""

import numpy as np
import pytest
import torch

from layerlab.experiments.similarity import _groups
from layerlab.experiments.similarity._groups import group


@pytest.mark.parametrize("architecture", _groups.ARCHITECTURES)
def test_a_member_depends_on_its_own_seed_only(architecture):
    few, more = (group(architecture=architecture, rows=60, epochs=4, seeds=n, corruption=0.5) for n in (1, 2))
    assert few.epochs.tolist() == [0, 1, 2, 3, 4]
    assert {0, 4} <= set(few.curve.tolist())
    np.testing.assert_array_equal(few.labels[0], more.labels[0])
    for moment in (0, -1):
        a, b = few.networks(moment).storage, more.networks(moment)[0].storage
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    again = group(architecture=architecture, rows=60, epochs=4, seeds=1, corruption=0.5)
    assert torch.equal(again.networks().storage, few.networks().storage)


def test_kept_networks_have_the_accuracy_that_was_measured():
    found = group(rows=100, epochs=5, seeds=2)
    for at, epoch in enumerate(found.epochs):
        logits = found.activations(found.data.x_test, at)[-1]
        accuracy = (logits.argmax(-1).numpy() == found.data.y_test).mean(-1)
        np.testing.assert_allclose(accuracy, found.accuracy_test[found.curve == epoch][0])
    assert (found.accuracy_test[-1] > found.accuracy_test[0] + 0.2).all()


def test_layers_of_images_come_as_maps():
    found = group(rows=60, epochs=1, seeds=2)
    shapes = [tuple(a.shape) for a in found.activations(found.data.x_test[:3])]
    assert shapes == [(2, 3, 16, 8, 8), (2, 3, 24, 4, 4), (2, 3, 24, 4, 4), (2, 3, 64), (2, 3, 10)]
    assert len(found.layers) == 5


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_labels_are_drawn_anew_to_the_share_asked_for(share):
    data = _groups.chosen_rows("digits", 1_500)
    own, common = (_groups.corrupted(data, share, own, 0, 20) for own in (True, False))
    changed = (own != data.y_train).mean()
    assert changed == pytest.approx(0.9 * share, abs=0.01)  # a tenth is drawn as it was
    assert (common == common[0]).all()
    np.testing.assert_array_equal(common[0], own[0])
    if share:
        assert (own[0] != own[1]).any()


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="architecture must be one of conv, dense; it was 'cube'"):
        group(architecture="cube")
    with pytest.raises(ValueError, match=r"corruption must lie in \[0, 1\]; it was 2"):
        _groups.corrupted(_groups.chosen_rows("digits", 10), 2, True, 0, 1)
