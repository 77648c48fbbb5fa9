"""Rules on bits: the symmetric rule has its published statistics and symmetry; committees vote; both can be used."""

import itertools

import numpy as np
import pytest

from layerlab import data
from layerlab.data import rule
from layerlab.information import mutual_information


@pytest.fixture(scope="module")
def symmetric():
    return data.symmetric_rule()


def test_the_labels_have_the_published_statistics(symmetric):
    assert symmetric.x.shape == (4096, 12)
    assert symmetric.y.mean() == pytest.approx(0.51709, abs=5e-6)
    assert int(symmetric.y.sum()) == 2118
    assert len(np.unique(symmetric.classes)) == 64


def test_every_input_comes_once_in_counting_order(symmetric):
    assert (symmetric.x @ (1 << np.arange(11, -1, -1)) == np.arange(4096)).all()


def test_the_score_is_the_count_and_the_length_of_the_sum_of_vertices(symmetric):
    vertices = rule._icosahedron()
    gaps = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    edge = gaps[gaps > 1e-9].min()
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(1)
    assert np.isclose(gaps, edge).sum() == 60  # 30 edges, each seen from both ends
    direct = symmetric.x.sum(1) + np.linalg.norm(symmetric.x @ vertices, axis=1)
    assert symmetric.score == pytest.approx(direct, abs=1e-12)


def test_no_input_lies_in_the_gap_where_the_threshold_may_be(symmetric):
    assert not ((symmetric.score > 7.563) & (symmetric.score < 7.701)).any()
    assert symmetric.score[symmetric.y == 0].max() == pytest.approx(7.56278, abs=1e-5)
    assert symmetric.score[symmetric.y == 1].min() == pytest.approx(7.70130, abs=1e-5)


def test_a_rotation_of_the_icosahedron_changes_nothing(symmetric):
    vertices = rule._icosahedron()
    turned = np.roll(vertices, 1, axis=1)  # about the diagonal, by a third
    order = np.array([int(np.abs(vertices - corner).sum(1).argmin()) for corner in turned])
    assert sorted(order) == list(range(12))
    assert (order != np.arange(12)).any()
    other = symmetric.x[:, order] @ (1 << np.arange(11, -1, -1))
    assert (symmetric.score[other] == symmetric.score).all()
    assert (symmetric.classes[other] == symmetric.classes).all()


@pytest.mark.parametrize(("gamma", "bits"), [(2, 0.559), (10, 0.896), (30.5, 0.954)])
def test_the_stochastic_rule_is_balanced_and_keeps_the_published_information(gamma, bits):
    stochastic = data.symmetric_rule(gamma)
    assert stochastic.p_one.mean() == pytest.approx(0.5, abs=1e-12)
    assert mutual_information(stochastic.p_xy) == pytest.approx(bits, abs=5e-4)
    assert mutual_information(stochastic.p_class) == pytest.approx(mutual_information(stochastic.p_xy), abs=1e-12)
    assert stochastic.p_class.shape == (64, 2)


def test_labels_are_drawn_with_their_probabilities(symmetric):
    stochastic = data.symmetric_rule(2)
    drawn = np.mean([stochastic.draw(seed) for seed in range(200)], axis=0)
    error = np.sqrt(stochastic.p_one * (1 - stochastic.p_one) / 200)
    assert (np.abs(drawn - stochastic.p_one) <= 5 * error + 1e-3).all()
    assert (stochastic.draw(3) == stochastic.draw(3)).all()
    assert (symmetric.draw(7) == symmetric.y).all()


def test_as_a_dataset_it_is_split_without_loss(symmetric):
    split = symmetric.dataset(seed=1)
    assert (split.x_train.shape, split.x_test.shape) == ((3277, 12), (819, 12))
    together = np.r_[split.x_train, split.x_test].astype(int) @ (1 << np.arange(11, -1, -1))
    assert sorted(together) == list(range(4096))
    assert (np.r_[split.y_train, split.y_test] == symmetric.y[together]).all()
    assert (split.classes, split.dimension, split.x_train.dtype, split.y_train.dtype) == (2, 12, "float32", "int64")
    assert split.checksum == symmetric.dataset(seed=1).checksum != symmetric.dataset(seed=2).checksum


def test_a_committee_votes_by_majority_and_opposite_inputs_disagree():
    machine = data.committee_machine(3, 10, seed=4)
    weights = np.random.default_rng(4).standard_normal((10, 3))
    for row in (0, 17, 1023):
        votes = [np.sign(w @ (2.0 * machine.x[row] - 1)) for w in weights.T]
        assert machine.score[row] == sum(votes)
    assert (machine.y[::-1] == 1 - machine.y).all()
    assert len(np.unique(machine.classes)) <= 8
    assert len({bytes(data.committee_machine(3, 10, seed=s).y) for s in range(5)}) == 5


def test_a_committee_can_be_stochastic_and_trained_on():
    machine = data.committee_machine(gamma=1.0)
    assert machine.p_one.mean() == pytest.approx(0.5, abs=1e-12)
    assert machine.dataset(0.5).x_train.shape == (2048, 12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: data.symmetric_rule(0), ValueError, "gamma must be positive and finite.*not 0"),
        (lambda: data.symmetric_rule(float("nan")), ValueError, "gamma must be positive.*nan"),
        (lambda: data.symmetric_rule("10"), TypeError, "gamma must be a number or None, not str '10'"),
        (lambda: data.symmetric_rule(True), TypeError, "gamma must be a number or None, not bool"),
        (lambda: data.symmetric_rule().dataset(1.0), ValueError, "train_share must lie strictly between 0 and 1"),
        (lambda: data.symmetric_rule().dataset(seed=-1), ValueError, "seed must be at least 0, not -1"),
        (lambda: data.committee_machine(4), ValueError, "units must be odd.*not 4"),
        (lambda: data.committee_machine(bits=21), ValueError, "bits must be between 1 and 20, not 21"),
        (lambda: data.committee_machine(3.0), TypeError, "units must be an integer"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_sixty_four_classes_are_those_of_both_norms(symmetric):
    length = np.linalg.norm(symmetric.x @ rule._icosahedron(), axis=1).round(9)
    pairs = {(int(c), n, r) for c, n, r in zip(symmetric.classes, symmetric.x.sum(1), length, strict=True)}
    assert len(pairs) == 64
    assert all(a[1:] != b[1:] for a, b in itertools.combinations(pairs, 2))
