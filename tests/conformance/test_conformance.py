"""Tests of properties that every method must have, on a small pin of each method.

The methods are those in reproduce/*.gin. Their small pins are in `tools/small_pins.py`.
"""

import dataclasses
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import (
    HasLatents,
    Inpaints,
    Learner,
    Reconstructs,
    Scores,
    Staged,
)
from tf_shortrun.export.saved_model import export
from tf_shortrun.training import rows, steps
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.steps import make_steps
from tf_shortrun.training.train import train
from tools.outcome import without_clock
from tools.small_pins import SMALL_PINS, TWO_STAGES, VARIANTS, build

ROOT = Path(__file__).parents[2]
LAST_STAGE = {"binary_latent": ["NUM_CODE_STEPS = 0", "NUM_PRIOR_STEPS = 0"]}
LAST_STAGE |= {method: ["NUM_FIRST_STEPS = 0"] for method in TWO_STAGES}
SEED = noise.make_seed(0)
NUM_STEPS = 12  # the last stage has begun


def weights(learner):
    """Returns the weights of all networks of a learner."""
    models = [value for value in learner.state.values() if isinstance(value, keras.Model)]
    return [w for model in models for w in model.get_weights()]


def everything(learner):
    """Returns all that a checkpoint of a learner holds."""
    parts = learner.state.values()
    return [v.numpy() for part in parts for v in getattr(part, "variables", [part])]


def stepper(experiment, strategy, step_at):
    """Returns `advance(num_steps)`, which runs the first steps and returns the last metrics."""

    def advance(num_steps):
        batches = strategy.distribute_datasets_from_function(
            lambda _: experiment.dataset.train_batches(20, 0, 0, strategy.num_replicas_in_sync)
        )
        steps = zip(range(1, num_steps + 1), batches, strict=False)
        return [step_at(step)(batch, tf.constant(step)) for step, batch in steps][-1]

    return advance


def test_the_small_pins_cover_exactly_all_methods():
    texts = [
        path.read_text() for path in [*ROOT.glob("reproduce/*.gin"), *ROOT.glob("gin/**/*.gin")]
    ]
    methods = {m for text in texts for m in re.findall(r"Experiment\.method = '(\w+)'", text)}
    assert methods == set(SMALL_PINS)


@pytest.fixture(scope="module", params=[*SMALL_PINS, *VARIANTS])
def method(request):
    return request.param


class Course(NamedTuple):
    """A learner, compiled, with what it was before and after its first updates."""

    experiment: Experiment
    learner: Learner
    step_at: Callable
    advance: Callable
    checkpoints: Path
    begin: list  # its weights
    first: list  # weights and metrics after one update
    second: list  # and after two


@pytest.fixture(scope="module")
def course(method, one_replica, tmp_path_factory):
    """Returns the course that several tests share, since compilation takes most of the time."""
    folder = tmp_path_factory.mktemp(method)
    experiment, learner = build(method, one_replica)
    begin, traces = weights(learner), counted(learner)
    Checkpoints(learner, folder / "begin").save(0)
    step_at = make_steps(one_replica, learner, SEED)
    advance = stepper(experiment, one_replica, step_at)
    first = numbers(learner, advance(1))
    Checkpoints(learner, folder / "begin").restore()
    second = numbers(learner, advance(2))
    assert method in LAST_STAGE or len(traces) == 1  # three steps, one trace
    return Course(experiment, learner, step_at, advance, folder, begin, first, second)


def counted(learner):
    """Returns a list that gets one more entry whenever `train_step` is traced."""
    traces, original = [], learner.train_step
    learner.train_step = lambda *a: traces.append(1) or original(*a)
    return traces


def numbers(learner, metrics):
    return [*weights(learner), *map(float, metrics.values())]


def first_step_eager(experiment, learner, strategy):
    """Returns weights and metrics after the first update, without compilation."""
    batch = next(iter(experiment.dataset.train_batches(20, 0)))
    update = learner.update_at(1) if can(learner, Staged) else learner.train_step
    return numbers(learner, strategy.run(update, (batch, noise.fold(SEED, 1))))


def test_one_and_two_replicas_agree_after_20_noisy_steps(method, course, two_replicas):
    Checkpoints(course.learner, course.checkpoints / "begin").restore()
    metrics_one = course.advance(20)
    experiment, learner = build(method, two_replicas)
    metrics_two = stepper(experiment, two_replicas, make_steps(two_replicas, learner, SEED))(20)
    for a, b in zip(weights(course.learner), weights(learner), strict=True):
        # Adam amplifies rounding of small gradients. Wrong noise or means would differ by 1e-2.
        np.testing.assert_allclose(a, b, atol=1e-4)
    for name, value in metrics_one.items():
        np.testing.assert_allclose(value, metrics_two[name], rtol=1e-3)


def test_an_eager_step_equals_a_compiled_step(course, one_replica):
    Checkpoints(course.learner, course.checkpoints / "begin").restore()
    eager = first_step_eager(course.experiment, course.learner, one_replica)
    for a, b in zip(eager, course.first, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_run_resumed_at_a_random_step_equals_one_in_one_go(
    method, course, one_replica, tmp_path, monkeypatch
):
    """Bit by bit; a new learner goes on. A seed determines the course: it also starts equal."""
    stop = random.Random(f"{method} 1").randrange(1, NUM_STEPS)
    print(f"{method} is resumed at step {stop} of {NUM_STEPS}")

    def go(learner, step_at, num_steps, folder):
        monkeypatch.setattr(steps, "make_steps", lambda *_: step_at)  # already compiled
        settings = {"num_steps": num_steps, "checkpoint_every": num_steps, "log_every": 1}
        short = dataclasses.replace(course.experiment, batch_size=20, **settings)
        train(short, one_replica, learner, tmp_path / folder)
        found = rows.read(tmp_path / folder / "history.jsonl")
        return found, [*everything(learner), learner.sample(3, SEED)]

    for num_steps, folder in ((stop, "pieces"), (NUM_STEPS, "whole")):
        Checkpoints(course.learner, course.checkpoints / "begin").restore()
        whole = go(course.learner, course.step_at, num_steps, folder)
    _, learner = build(method, one_replica)
    assert_equal(course.begin, weights(learner))
    step_at = make_steps(one_replica, learner, SEED)
    pieces = go(learner, step_at, NUM_STEPS, "pieces")
    assert [row["step"] for row in pieces[0]] == list(range(1, NUM_STEPS + 1))
    assert [*map(without_clock, whole[0])] == [*map(without_clock, pieces[0])]
    assert_equal(whole[1], pieces[1])
    Checkpoints(learner, course.checkpoints / "begin").restore()
    again = stepper(course.experiment, one_replica, step_at)(2)
    assert_equal(course.second, numbers(learner, again))


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_gives_other_initial_weights(method, course, one_replica):
    """The test above shows that the same seed gives the same initial weights."""
    _, learner = build(method, one_replica, "experiment.Experiment.seed = 2")
    pairs = zip(course.begin, weights(learner), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs)


def test_the_exported_model_samples_and_scores_like_the_learner(method, course, tmp_path):
    learner = course.learner
    model = tf.saved_model.load(str(export(learner, tmp_path, method)))
    loaded = model.signatures
    # With one seed a row, a row is the one sample of its seed.
    rows = loaded["sample_each"](seed=tf.constant([[5, 1], [0, 0], [-3, 2]]))["images"]
    np.testing.assert_allclose(rows[1:2], learner.sample(1, SEED), atol=1e-4)
    for n in (1, 3):
        made = loaded["sample"](seed=SEED, n=tf.constant(n))["images"]
        np.testing.assert_allclose(made, learner.sample(n, SEED), atol=1e-4)
        if can(learner, Scores):
            batch = next(iter(course.experiment.dataset.test_batches(n)))
            scores = loaded["score"](image=batch["image"], seed=SEED)["scores"]
            np.testing.assert_allclose(scores, learner.score(batch, SEED), atol=1e-4)
    batch = next(iter(course.experiment.dataset.test_batches(2)))
    seeds = tf.constant([[5, 1], [0, 0]])
    if can(learner, Reconstructs):
        rows = loaded["reconstruct_each"](image=batch["image"], seed=seeds)["images"]
        alone = learner.reconstruct({"image": batch["image"][1:]}, SEED)
        np.testing.assert_allclose(rows[1:], alone, atol=1e-4)
    if can(learner, HasLatents):
        latents = loaded["encode"](image=batch["image"], seed=seeds)
        alone = learner.infer({"image": batch["image"][1:]}, SEED)
        for layer, z in enumerate(alone):
            np.testing.assert_allclose(latents[f"layer{layer}"][1:], z, atol=1e-4)
        decoded = learner.decode([latents[f"layer{i}"] for i in range(len(alone))])
        np.testing.assert_allclose(loaded["decode"](**latents)["images"], decoded, atol=1e-4)


@pytest.mark.parametrize("method", LAST_STAGE)
def test_the_step_of_the_last_stage_is_traced_once_and_equals_eager(method, one_replica, tmp_path):
    """The fixture `course` tests this for learners without stages."""
    experiment, learner = build(method, one_replica, stages=LAST_STAGE)
    begin = Checkpoints(learner, tmp_path)
    begin.save(0)
    traces = counted(learner)
    advance = stepper(experiment, one_replica, make_steps(one_replica, learner, SEED))
    compiled = numbers(learner, advance(1))
    advance(3)
    assert len(traces) == 1
    begin.restore()
    eager = first_step_eager(experiment, learner, one_replica)
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_learner_fulfils_its_protocols(course):
    experiment, learner = course.experiment, course.learner
    assert can(learner, Learner)
    batch = next(iter(experiment.dataset.test_batches(5)))
    samples = learner.sample(5, SEED)
    assert samples.shape == (5, *experiment.dataset.image_shape)
    np.testing.assert_array_equal(samples, learner.sample(5, SEED))
    assert np.abs(samples).max() <= 1
    if can(learner, Reconstructs):
        assert learner.reconstruct(batch, SEED).shape == batch["image"].shape
    if can(learner, Inpaints) and len(learner.image_shape) == 3:
        mask = tf.random.uniform([5, *batch["image"].shape[1:3], 1]) < 0.5
        hidden = {"image": tf.where(mask, batch["image"], float("nan")), "mask": mask}
        assert np.isfinite(learner.inpaint(hidden, SEED)).all()
    if can(learner, HasLatents):
        latents = learner.sample_latents(5, SEED)
        assert [z.shape for z in latents] == [z.shape for z in learner.infer(batch, SEED)]
        np.testing.assert_allclose(learner.decode(latents), samples, atol=1e-6)
