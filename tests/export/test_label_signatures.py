"""The signature that makes observations of a given label, in Python and in the C++ loader."""

import numpy as np
import pytest
import tensorflow as tf

from exported import SHAPE, ask, close, real, run_cc
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.saved_model import export
from tf_shortrun.methods.latent.label_gaussians import LabelGaussians
from tf_shortrun.methods.latent.second_stage import SecondStage

SEEDS = np.int32([[3, 0], [-7, 5], [3, 0]])
LABELS = np.int32([0, 2, 2])


def labelled(*known):
    """Returns a learner that saw examples of these labels of three, each far from the others."""
    gaussians, labels = LabelGaussians(3, 3), np.repeat(known, 30).astype(np.int32)
    z = np.eye(3)[labels] + 0.1 * np.random.default_rng(0).normal(size=(len(labels), 3))
    gaussians.train_step({"image": tf.constant(z, tf.float32), "label": labels}, None)
    return SecondStage(real(), gaussians, 0)


@pytest.fixture(scope="module")
def learner():
    return labelled(0, 2)


@pytest.fixture(scope="module")
def folder(learner, tmp_path_factory):
    return export(
        learner, tmp_path_factory.mktemp("labelled"), "m", Origin("", Preparation(*SHAPE))
    )


def test_a_row_has_its_label_and_its_seed(learner, folder):
    sample = tf.saved_model.load(str(folder)).signatures["sample_label"]
    made = sample(seed=tf.constant(SEEDS), label=tf.constant(LABELS))["images"]
    for row in range(3):
        alone = learner.sample_of(tf.constant(LABELS[row : row + 1]), SEEDS[row])
        assert close(made[row : row + 1], alone)
    assert np.abs(made[0] - made[2]).max() > 0.01  # one seed, two labels


def test_the_loader_of_a_server_gives_the_same_and_refuses_what_is_no_known_label(learner, folder):
    fine, unknown, negative, few = run_cc(
        folder,
        [
            ask(folder, "sample_label", seed=SEEDS, label=labels)
            for labels in (LABELS, [0, 1, 2], [-1, 0, 2], [0, 2])
        ],
    )
    assert close(fine["images"], learner.sample_of(tf.constant(LABELS), tf.constant(SEEDS)))
    for refused in (unknown, negative):
        assert "label must be one of 0, 2; it is" in refused["error"]
    assert "the shape of label must be [B]: give one number for each row" in few["error"]


def test_files_come_too_and_what_knows_no_label_has_no_signature(folder, tmp_path):
    names = tf.saved_model.load(str(folder)).signatures
    assert {"sample_label", "sample_label_bytes"} <= set(names)
    nothing = export(labelled(), tmp_path, "m")
    assert "sample_label" not in tf.saved_model.load(str(nothing)).signatures
