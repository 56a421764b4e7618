"""What a run does besides what its learner does: paths, held layers, percentiles."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_shortrun as sr
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.export.model_card import Origin
from tf_shortrun.methods.latent.label_gaussians import LabelGaussians
from tf_shortrun.methods.latent.second_stage import SecondStage
from tf_shortrun.use import verbs
from tf_shortrun.use.run import Run

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, [3, 6]).astype(np.float32)


@pytest.fixture(scope="module")
def run():
    """Two layers, decoded by a linear map of both, so that images tell their latents."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input([2]), keras.Input([3])]
    joined = keras.layers.Concatenate()(layers)
    network = keras.Model(layers, keras.layers.Dense(6, use_bias=False)(joined))
    model = sr.Decoder(network, latent_widths=[2, 3], sigma=0.3)
    network.set_weights([0.05 * w for w in network.get_weights()])  # no image exceeds 1
    learner = sr.LatentLikelihood(model, sr.ShortRun(3, 0.01), keras.optimizers.Adam(1e-2))
    return Run(learner, Origin(result={"score_percentiles": {"0": 0.0, "50": 10.0, "100": 30.0}}))


def latents_of(run, images):
    (kernel,) = [np.asarray(v) for v in run.learner.model.trainable_variables]
    return np.linalg.lstsq(kernel.T, images.T, rcond=None)[0].T


@pytest.mark.parametrize("path", ["great_circle", "straight"])
def test_a_path_leads_from_the_one_to_the_other(run, path):
    images = run.interpolate(X[0], X[1], num=5, path=path)
    ends = run.decode(run.encode(X[:2]))
    np.testing.assert_allclose(images[[0, -1]], ends, atol=1e-5)


def test_a_straight_path_has_equal_steps_and_a_circle_goes_around_the_origin(run):
    start, end = np.concatenate(run.encode(X[:2]), axis=1)
    straight, circle = (
        latents_of(run, run.interpolate(X[0], X[1], num=5, path=path))
        for path in ("straight", "great_circle")
    )
    np.testing.assert_allclose(straight, np.linspace(start, end, 5), atol=1e-3)
    cosine = start @ end / np.linalg.norm(start) / np.linalg.norm(end)
    middle = (start + end) / np.sqrt(2 + 2 * cosine)  # sin(w / 2) / sin w = 1 / (2 cos(w / 2))
    np.testing.assert_allclose(circle[2], middle, atol=1e-3)


def test_one_coordinate_moves_from_minus_three_to_three(run):
    z = latents_of(run, run.traverse(layer=1, coordinate=2, x=X[0], num=7))
    np.testing.assert_allclose(z[:, 4], np.linspace(-3, 3, 7), atol=1e-4)
    start = np.concatenate(run.encode(X[:1]), axis=1)[0]
    np.testing.assert_allclose(z[:, :4], np.tile(start[:4], [7, 1]), atol=1e-4)


def test_a_layer_goes_around_through_two_draws(run):
    z = latents_of(run, run.traverse(layer=0, num=4, seed=5))
    first, second = (
        np.concatenate(run.learner.sample_latents(1, seed), axis=1)[0]
        for seed in (noise.make_seed(5), noise.stream(noise.make_seed(5), "other"))
    )
    top = [first[:2], second[:2], -first[:2], -second[:2]]
    np.testing.assert_allclose(z[:, :2], top, atol=1e-4)
    np.testing.assert_allclose(z[:, 2:], np.tile(first[2:], [4, 1]), atol=1e-4)


def test_a_held_layer_is_the_same_in_all_samples(run):
    z = latents_of(run, run.sample(6, seed=3, held=[1]))
    assert np.ptp(z[:, 2:], axis=0).max() < 1e-4 and np.ptp(z[:, :2], axis=0).min() > 0.1


def test_latents_in_parts_are_decoded_as_in_one(run):
    latents = [RNG.normal(size=[130, width]) for width in (2, 3)]
    np.testing.assert_allclose(
        run.decode(latents)[100:], run.decode([z[100:] for z in latents]), atol=1e-6
    )


def test_a_percentile_counts_training_examples_below(run):
    np.testing.assert_allclose(run.percentile([-5.0, 5.0, 20.0, 99.0]), [0, 25, 75, 100])
    with pytest.raises(sr.InputError, match="no scores of training examples are known"):
        Run(run.learner).percentile([1.0])


def test_between_bits_there_is_no_path():
    class Bits:
        image_shape = (6,)
        prior_path = sample_latents = unnormalised_log_weights = infer = decode = None

    with pytest.raises(sr.InputError, match="latents are bits"):
        Run(Bits()).interpolate(X[0], X[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: run.sample(4, held=[2]), "no layer 2: choose 0 .* to 1"),
        (lambda run: run.traverse(layer=-1), "no layer -1"),
        (lambda run: run.traverse(layer=1, coordinate=3), "layer 1 has 0 to 2"),
        (lambda run: run.interpolate(X[0], X[1], path="round"), "great_circle or straight"),
        (lambda run: run.interpolate(X[0], X[1], num=1), "num >= 2"),
        (lambda run: run.decode([np.zeros([4, 2])]), r"give a list of \[N, 2\], \[N, 3\]"),
        (lambda run: run.decode([np.zeros([4, 2]), np.zeros([5, 3])]), "give a list of"),
        (lambda run: run.decode([np.zeros([0, 2]), np.zeros([0, 3])]), "give a list of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(run, call, words):
    with pytest.raises(sr.InputError, match=words) as error:
        call(run)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def labelled(run):
    """The same learner; latents of label 0 are near -2, of label 2 near 2, and none has label 1."""
    gaussians = LabelGaussians(5, 3)
    labels = np.repeat([0, 2], 20).astype(np.int32)
    z = (labels - 1)[:, None] * np.full([1, 5], 2.0) + 0.1 * RNG.normal(size=(40, 5))
    gaussians.train_step({"image": tf.constant(z, tf.float32), "label": labels}, None)
    return Run(SecondStage(run.learner, gaussians, 0))


def test_samples_have_the_label_that_was_asked_for(run, labelled):
    z = latents_of(run, labelled.sample(150, seed=1, label=2))
    np.testing.assert_allclose(z.mean(axis=0), 40 / 21 * np.ones(5), atol=0.3)
    turns = latents_of(run, labelled.sample(5, label=[0, 2])).mean(axis=1)
    np.testing.assert_array_equal(turns > 0, [False, True, False, True, False])
    np.testing.assert_array_equal(labelled.sample(3, 7, label=0), labelled.sample(3, 7, label=[0]))
    assert not np.array_equal(labelled.sample(3, 7, label=0), labelled.sample(3, 8, label=0))


def test_labels_may_be_named(labelled):
    named = Run(labelled.learner, Origin(classes=("cats", "birds", "2", "0")))
    for name, number in (("cats", 0), ("2", 2), (np.int64(2), 2)):
        np.testing.assert_array_equal(named.sample(3, label=name), labelled.sample(3, label=number))
    # "0" is the name of label 3, of which there is no example.
    for name in ("birds", "dogs", "0", ["cats", "dogs"]):
        with pytest.raises(InputError, match="choose from .* which are cats, 2$"):
            named.sample(3, label=name)


def test_the_command_takes_labels(labelled, tmp_path, capsys):
    verbs.work(["sample", str(tmp_path), "--num=4", "--label", "0", "2"], lambda *_: labelled)
    (file,) = capsys.readouterr().out.split()
    np.testing.assert_array_equal(np.load(file)["images"], labelled.sample(4, label=[0, 2]))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"label": 1}, r"label is 1: choose from .* which are 0, 2"),
        ({"label": [2, -1]}, r"label is \[2, -1\]"),
        ({"label": []}, r"label is \[\]"),
        ({"label": 2, "held": [0]}, r"held is \[0\] and label 2: give one of them"),
    ],
)
def test_a_label_that_is_not_known_is_refused(labelled, asked, words):
    with pytest.raises(InputError, match=words):
        labelled.sample(2, **asked)


def test_a_learner_without_labels_says_so(run):
    with pytest.raises(InputError, match="is not a learner that makes observations of a given"):
        run.sample(2, label=0)
