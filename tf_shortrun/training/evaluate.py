"""The verdict on a trained learner: numbers, how each was made, and pictures."""

from pathlib import Path

import tensorflow as tf

from tf_shortrun.core import noise, usage
from tf_shortrun.core.contracts import Learner
from tf_shortrun.evals.pictures.grids import write_png
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History


def draw(experiment: Experiment, learner: Learner, workdir: Path) -> dict:
    """Draws every picture of the experiment, writes each as `<name>.png`, returns them."""
    pictures = {}
    for make in experiment.pictures:
        pictures |= make(learner, experiment.dataset, _seed(experiment))
    for name, picture in pictures.items():
        write_png(workdir / f"{name}.png", picture)
    return pictures


def evaluate(
    experiment: Experiment, learner: Learner, history: History
) -> tuple[dict[str, float], dict[str, str]]:
    """Runs every eval; returns the metrics, and for each how it was made."""
    metrics, protocol = {}, {}
    for judge in experiment.evals:
        metrics |= judge(learner, experiment.dataset, _seed(experiment))
        protocol |= judge.protocol(experiment.dataset)
    metrics |= _speed(experiment, history)
    return metrics, protocol


def _seed(experiment: Experiment) -> tf.Tensor:
    # Another branch than training, the same for every eval: one command, one number.
    return noise.fold(noise.make_seed(experiment.seed), 1)


def _speed(experiment: Experiment, history: History) -> dict:
    speed = {"peak_memory_gib": usage.peak_memory_gib(), **history.speed}
    if "seconds_per_step" in speed:
        speed["images_per_second"] = experiment.batch_size / speed["seconds_per_step"]
    return speed
