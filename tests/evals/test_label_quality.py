"""Tests of LabelQuality and LabelGrid, on learners whose samples are images of known labels."""

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split, to_float
from tf_shortrun.evals.label_quality import LabelGrid, LabelQuality

SEED = noise.make_seed(0)
NAME = "stripes_classifier"
RNG = np.random.default_rng(0)


def images(labels):
    """Label 0 is bright above, label 1 below, label 2 on the left."""
    x = RNG.integers(0, 60, [len(labels), 8, 8, 1]).astype(np.uint8)
    for one, label in zip(x, labels, strict=True):
        one[[np.s_[:4], np.s_[4:], np.s_[:, :4]][label]] += 180
    return x


def data():
    labels = np.arange(120, dtype=np.int32) % 3
    split = Split(images(labels), labels)
    return Dataset("stripes", split, split)


class Learner:
    """Its samples of label c are training images of label `turned[c]`."""

    image_shape = (8, 8, 1)

    def __init__(self, turned=(0, 1, 2)):
        self.turned = tf.constant(turned)

    def label_counts(self):
        return tf.fill([3], 40.0)

    def sample_of(self, labels, seed):
        places = tf.cast(40 * noise.uniform(seed, [tf.shape(labels)[0], 1])[:, 0], tf.int32)
        return to_float(tf.gather(DATA.train.images, 3 * places + tf.gather(self.turned, labels)))


DATA = data()
JUDGE = LabelQuality(40, 16, num_steps=100, classifier_seed=0, reference="train")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_SHORTRUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_samples_of_the_right_label_are_right_and_like_its_images():
    values = JUDGE(Learner(), DATA, SEED)
    assert len(values) == 2 * (1 + 3)
    assert values[f"label_accuracy/{NAME}"] == 1
    turned = JUDGE(Learner((1, 0, 2)), DATA, SEED)
    assert turned[f"label_accuracy/{NAME}"] == pytest.approx(1 / 3)
    assert [turned[f"label_accuracy/{NAME}/{label}"] for label in range(3)] == [0, 0, 1]
    for label, is_wrong in enumerate((True, True, False)):
        right, found = (v[f"label_frechet/{NAME}/{label}"] for v in (values, turned))
        assert found > 10 * right if is_wrong else found == pytest.approx(right)
    means = [turned[f"label_frechet/{NAME}/{label}"] for label in range(3)]
    assert turned[f"label_frechet/{NAME}"] == pytest.approx(np.mean(means))


def test_it_says_how_it_was_measured():
    protocol = JUDGE.protocol(DATA)
    assert protocol.keys() < JUDGE(Learner(), DATA, SEED).keys()
    assert "Share of 40 samples of each label" in protocol[f"label_accuracy/{NAME}"]


def test_what_has_no_labels_is_refused():
    with pytest.raises(InputError, match="leave LabelQuality out"):
        JUDGE.check(object(), DATA)
    bare = DATA.train._replace(labels=np.full(120, -1, np.int32))
    with pytest.raises(InputError, match="examples without a label: leave LabelQuality out"):
        JUDGE.check(Learner(), Dataset("stripes", bare, bare))


def test_the_picture_has_a_row_for_each_label():
    (picture,) = LabelGrid(columns=4)(Learner(), DATA, SEED).values()
    bright = np.mean(picture, axis=2) > 128
    rows = np.array_split(bright, 3)
    assert rows[0][: len(rows[0]) // 2].mean() > 2 * rows[0][len(rows[0]) // 2 :].mean()
    assert rows[1][: len(rows[1]) // 2].mean() < rows[1][len(rows[1]) // 2 :].mean() / 2
