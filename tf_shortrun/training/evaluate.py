"""Evaluation of a trained learner: metrics, how each was computed, and pictures."""

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise, usage
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Learner, Scores
from tf_shortrun.core.evaluation import HasNeeds, Metric, Number, explain
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.evals.pictures.tiles import write_png
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History

_NUM_SCORED, _SCORED_AT_ONCE = 500, 100
_PERCENTS = (0, 1, 2, 5, 10, 25, 50, 75, 90, 95, 98, 99, 100)


def check(experiment: Experiment, learner: Learner):
    """Asks evals and pictures for what they need: before the first update, not after the last.

    Raises:
      InputError: if one of them could not work.
    """
    for judge in (*experiment.evals, *experiment.pictures):
        if can(judge, HasNeeds):
            judge.check(learner, experiment.dataset)


def draw(experiment: Experiment, learner: Learner, workdir: Path) -> dict[str, np.ndarray]:
    """Draws every picture of the experiment and returns them.

    Writes each picture as `<name>.png`, and the captions, in the same order, as `pictures.json`.
    """
    pictures: dict[str, np.ndarray] = {}
    captions: dict[str, str] = {}
    for make in experiment.pictures:
        pictures |= make(learner, experiment.dataset, _seed(experiment))
        captions |= make.captions
    for name, picture in pictures.items():
        write_png(workdir / f"{name}.png", picture)
    (workdir / "pictures.json").write_text(json.dumps(captions, indent=1) + "\n")
    return pictures


def evaluate(experiment: Experiment, learner: Learner, history: History) -> dict[str, Number]:
    """Runs every eval and returns their metrics, and those of training itself."""
    numbers: dict[str, Number] = {}
    dataset = experiment.dataset
    of_training = (Speed(history, experiment.examples_per_update), Runaways(history))
    for judge in (*experiment.evals, *of_training):
        numbers |= explain(judge, judge(learner, dataset, _seed(experiment)), dataset)
    return numbers


def score_percentiles(experiment: Experiment, learner: Learner) -> dict[str, float]:
    """Returns the scores that so many percent of training examples do not exceed, by percent.

    They are those of 500 equally spaced examples, or of all if there are fewer. Nothing for a
    learner that does not score.
    """
    if not can(learner, Scores):
        return {}
    score, seed = tf.function(learner.score, autograph=False), _seed(experiment)
    of_training = dataclasses.replace(experiment.dataset, test=experiment.dataset.train)
    batches = subset.spread(of_training, _NUM_SCORED).test_batches(_SCORED_AT_ONCE)
    scores = [score(batch, noise.fold(seed, i)) for i, batch in enumerate(batches)]
    values = np.percentile(np.concatenate(scores), _PERCENTS)
    return {str(percent): float(v) for percent, v in zip(_PERCENTS, values, strict=True)}


@dataclasses.dataclass(frozen=True)
class Speed:
    """An eval of the time and memory that training took. Every run has these metrics."""

    metrics: ClassVar = {
        "seconds_per_step": Metric("lower", "Time of one training step, in seconds."),
        "images_per_second": Metric("higher", "Training examples processed per second."),
        "input_wait_share": Metric(
            "lower", "Share of the time of a step spent waiting for its batch."
        ),
        "page_faults_per_step": Metric("lower", "Minor page faults per training step."),
        "system_time_share": Metric(
            "lower", "Share of the CPU time of a step spent in the operating system's kernel."
        ),
        "peak_memory_gib": Metric("lower", "Largest resident memory of the process, GiB."),
    }

    history: History
    batch_size: int

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the medians of the history and the peak memory of this process."""
        del learner, dataset, seed
        speed = self.history.speed
        if "seconds_per_step" in speed:
            speed["images_per_second"] = self.batch_size / speed["seconds_per_step"]
        return speed | {"peak_memory_gib": usage.peak_memory_gib()}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns no sentences: the meaning of each metric is enough."""
        del dataset
        return {}


@dataclasses.dataclass(frozen=True)
class Runaways:
    """An eval of whether latents ran away while a learner with a chain trained."""

    metrics: ClassVar = {
        "latent_norm_worst": Metric(
            "",
            "Largest mean square of the inferred latents in training, each a mean over one line of "
            "the history; the first line is left out. 1 under the prior.",
        ),
    }

    history: History

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the largest value, nothing for a learner without latents that can run away."""
        del learner, dataset, seed
        norms = self.history.curve("latent_norm")[1:]
        return {"latent_norm_worst": max(norms)} if norms else {}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns no sentences: the meaning of the metric is enough."""
        del dataset
        return {}


def _seed(experiment: Experiment) -> tf.Tensor:
    # Not the noise of training, and the same for every eval, so that results are reproducible.
    return noise.stream(noise.make_seed(experiment.seed), "evaluate")
