"""Detection of anomalies, compared with hand-computed values, and two simple detectors."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.anomaly import Anomalies, measure
from tf_shortrun.evals.anomaly_baselines import Baselines

SEED = noise.make_seed(5)


def _dataset(test, labels, train=((0.0,), (1.0,))):
    train, test = np.asarray(train, np.float32), np.asarray(test, np.float32)
    none = np.zeros(len(train), np.int32)
    return Dataset("some", Split(train, none), Split(test, np.asarray(labels, np.int32)))


def _one_line(error, *words):
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


# --- the numbers


def test_numbers_with_a_tie_are_as_computed_by_hand():
    # Sorted 5+ | 4+ 4- | 2- 1-: the threshold at two fifths is 4, so three are flagged.
    found = measure(np.array([4.0, 1, 5, 4, 2]), np.array([1, 0, 1, 0, 0]), None)
    assert found == pytest.approx(
        {
            "precision": 2 / 3,
            "recall": 1.0,
            "f1": 4 / 5,
            "auroc": (3 + 2.5) / 6,  # wins over inliers, a tie counts half
            "auprc": 0.5 * 1 + 0.5 * 2 / 3,  # the trapezoidal rule would give more
        }
    )


def test_without_ties_the_number_of_flagged_examples_is_that_of_anomalies():
    # 9+ 8- 7+ | 6- 5+ 4- 3-: two of three are correct.
    found = measure(np.array([9.0, 8, 7, 6, 5, 4, 3]), np.array([1, 0, 1, 0, 1, 0, 0]), None)
    assert found["precision"] == found["recall"] == found["f1"] == pytest.approx(2 / 3)
    assert found["auroc"] == pytest.approx((4 + 3 + 2) / 12)
    assert found["auprc"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


def test_a_given_share_is_flagged():
    scores, labels = np.arange(10.0), np.arange(10) == 9
    found = measure(scores, labels, 0.2)
    assert (found["precision"], found["recall"]) == (0.5, 1.0)
    assert found["f1"] == pytest.approx(2 / 3)
    assert measure(scores, labels, None)["f1"] == 1.0


def test_the_best_f1_of_kdd99_at_the_80th_percentile_is_0_992():
    labels = np.arange(247_011) >= 247_011 - 48_629
    assert measure(np.arange(247_011.0), labels, 0.2)["f1"] == pytest.approx(0.992, abs=2e-4)
    assert measure(np.arange(247_011.0), labels, None)["f1"] == 1.0


def test_perfect_scores_give_1_and_inverted_scores_give_0():
    labels = np.array([0, 1, 0, 0, 1])
    assert set(measure(labels * 2.0, labels, None).values()) == {1.0}
    inverted = measure(-labels - 0.1 * np.arange(5), labels, None)
    assert {inverted[name] for name in ("precision", "recall", "f1", "auroc")} == {0.0}


def test_the_worst_order_reaches_the_lower_bound_of_auprc():
    # The digit 1 of MNIST: 7,877 anomalies have lower scores than all 12,425 inliers.
    num, num_inliers = 7877, 12_425
    labels = np.arange(num + num_inliers) < num
    worst = measure(np.arange(num + num_inliers) * 1.0, labels, None)["auprc"]
    places = np.arange(1, num + 1)
    assert worst == pytest.approx(np.mean(places / (num_inliers + places)))
    pi = num / (num + num_inliers)
    bound = 1 + (1 - pi) / pi * math.log(1 - pi)
    assert worst == pytest.approx(bound, abs=1e-4) and worst == pytest.approx(0.2255, abs=1e-4)


def test_a_random_guess_has_auroc_one_half_and_auprc_at_the_base_rate():
    labels = np.arange(40_000) % 4 == 0
    equal = measure(np.ones(40_000), labels, None)
    assert equal["auroc"] == 0.5 and equal["auprc"] == 0.25
    assert (equal["precision"], equal["recall"]) == (0.25, 1.0)
    guess = measure(np.random.default_rng(0).normal(size=40_000), labels, None)
    # The standard deviation of the area is sqrt((n + 1) / (12 n0 n1)) = 0.0033.
    assert abs(guess["auroc"] - 0.5) < 4 * 0.0033
    assert abs(guess["auprc"] - 0.25) < 0.02 and abs(guess["f1"] - 0.25) < 0.02


# --- scores of a learner


class ByValue:
    """A learner whose score is the only number of an observation; it counts its traces."""

    def __init__(self):
        self.traces = 0

    def score(self, batch, seed):
        self.traces += 1
        return batch["image"][:, 0]


class ByNoise:
    def score(self, batch, seed):
        return noise.normal(seed, [tf.shape(batch["image"])[0], 1])[:, 0]


def test_the_whole_test_split_is_scored_in_its_order():
    data = _dataset([[0.4], [0.1], [0.5], [0.4], [0.2]], [1, 0, 1, 0, 0])
    learner = ByValue()
    found = Anomalies(batch_size=2)(learner, data, SEED)
    assert learner.traces == 1
    expected = {"precision": 2 / 3, "recall": 1, "f1": 0.8, "auroc": 11 / 12, "auprc": 5 / 6}
    assert found == pytest.approx(expected | {"base_rate": 0.4})
    assert Anomalies(2, flagged=0.2)(learner, data, SEED)["recall"] == 0.5


def test_batches_have_different_noise_and_a_seed_repeats_it():
    data = _dataset(np.zeros([9, 1]), np.arange(9) < 3)
    found = [Anomalies(1)(ByNoise(), data, noise.make_seed(seed)) for seed in (1, 1, 2)]
    # With equal noise, all scores would tie and all examples would be flagged.
    assert all(numbers["precision"] == numbers["recall"] for numbers in found)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("make", [Anomalies(2).__call__, Baselines().__call__])
@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 2], [-1, -1, -1]])
def test_a_test_split_must_mark_anomalies(make, labels):
    with pytest.raises(InputError) as error:
        make(ByValue(), _dataset([[0.1], [0.2], [0.3]], labels), SEED)
    _one_line(error, "some", "take anomaly evals out")


def test_a_learner_must_give_finite_scores():
    data = _dataset([[0.1], [0.2]], [0, 1])
    with pytest.raises(InputError) as error:
        Anomalies(2)(object(), data, SEED)
    _one_line(error, "object", "leave Anomalies out")
    broken = ByValue()
    broken.score = lambda batch, seed: tf.math.log(batch["image"][:, 0] - 0.15)
    with pytest.raises(InputError) as error:
        Anomalies(2)(broken, data, SEED)
    _one_line(error, "not finite", "earlier checkpoint")


@pytest.mark.parametrize("flagged", [0.0, 1.0, -0.2, 20.0])
def test_flagged_is_a_share(flagged):
    for make in (Baselines, lambda flagged: Anomalies(2, flagged)):
        with pytest.raises(InputError) as error:
            make(flagged)
        _one_line(error, str(flagged))
    with pytest.raises(InputError) as error:
        Anomalies(0)
    _one_line(error, "batch_size is 0")


@pytest.mark.parametrize("flagged", [None, 0.3])
def test_every_number_has_a_metric_and_a_sentence(flagged):
    data = _dataset([[0.4], [0.1], [0.5], [0.4], [0.2]], [1, 0, 1, 0, 0])
    for evaluate in (Anomalies(2, flagged), Baselines(flagged)):
        found, protocol = evaluate(ByValue(), _wide(data), SEED), evaluate.protocol(data)
        assert set(found) == set(protocol)
        assert explain(evaluate, found, data).keys() == found.keys()
        for sentence in protocol.values():
            assert "some" in sentence and "\n" not in sentence
    percentile = "60th" if flagged is None else "70th"
    assert f"{percentile} percentile" in protocol["f1/pca2"]
    assert "0.4, as known" in protocol["f1/pca2"]


# --- detectors to compare with


def _wide(data):
    """Returns the data set with four equal columns, because two components need two columns."""
    splits = (Split(np.tile(x, [1, 4]), labels) for x, labels in (data.train, data.test))
    return Dataset(data.name, *splits)


def test_two_components_score_the_distance_from_their_plane():
    e1, e2, e3, e4 = np.eye(4)
    train = [s * v for v in (0.9 * e1, 0.6 * e2, 0.3 * e3) for s in (-1, 1)]
    # Squared errors 0, .04, 0, .26, .09. With one component the third would be 1.44, with three
    # components the last would be 0.
    test = [1.4 * e1, 0.2 * e3, 1.2 * e2, 0.1 * e3 + 0.5 * e4, 0.3 * e3]
    found = Baselines()(None, _dataset(test, [0, 1, 0, 1, 0], train), SEED)
    assert found["auroc/pca2"] == pytest.approx(5 / 6)
    assert found["auprc/pca2"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["f1/pca2"] == 0.5  # .26 and .09 are flagged
    one = Baselines(flagged=0.2)(None, _dataset(test, [0, 1, 0, 1, 0], train), SEED)
    assert one["f1/pca2"] == pytest.approx(2 / 3)
    everything = [0, 1, 0, 1, 1]
    assert Baselines()(None, _dataset(test, everything, train), SEED)["f1/pca2"] == 1.0


def _cloud(seed=0):
    """Returns a flat cloud for training, and more of it with a ring around it for testing."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, 50)
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    cloud = rng.normal(size=(450, 3)) * [0.1, 0.1, 0.02]
    return cloud[:300], np.concatenate([cloud[300:], ring]), np.arange(200) >= 150


def test_an_isolation_forest_finds_separate_points():
    train, test, labels = _cloud()
    found = Baselines()(None, _dataset(test, labels, train), SEED)
    assert found["auroc/isolation_forest"] > 0.99 and found["f1/isolation_forest"] > 0.9
    inverted = Baselines()(None, _dataset(test, ~labels, train), SEED)
    assert inverted["auroc/isolation_forest"] < 0.01
    # The ring lies in the plane of the two components, so they do not detect it.
    assert found["auroc/pca2"] < 0.6


def test_the_forest_depends_on_the_seed():
    train, test, _ = _cloud()
    data = _dataset(test, np.arange(200) % 2, train)
    found = [Baselines()(None, data, noise.make_seed(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0]["auroc/isolation_forest"] != found[2]["auroc/isolation_forest"]
    assert found[0]["auroc/pca2"] == found[2]["auroc/pca2"]


def test_images_are_flattened():
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (40, 2, 3, 1), dtype=np.uint8)
    test = rng.integers(0, 256, (30, 2, 3, 1), dtype=np.uint8)
    labels, none = (np.arange(30) % 3 == 0).astype(np.int32), np.zeros(40, np.int32)
    images = Dataset("some", Split(train, none), Split(test, labels))
    rows = [(x.reshape(-1, 6) / 127.5 - 1).astype(np.float32) for x in (train, test)]
    same = Dataset("some", Split(rows[0], none), Split(rows[1], labels))
    assert Baselines()(None, images, SEED) == pytest.approx(Baselines()(None, same, SEED))
