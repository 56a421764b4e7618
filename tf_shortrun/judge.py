"""The verdict on a trained learner: numbers, pictures, and the file that keeps them."""

from pathlib import Path

import tensorflow as tf

from tf_shortrun import noise, provenance, results, usage
from tf_shortrun.errors import DivergenceError
from tf_shortrun.evals.pictures import write_png
from tf_shortrun.experiment import Experiment
from tf_shortrun.history import History
from tf_shortrun.learners.base import Learner


def draw(experiment: Experiment, learner: Learner, workdir: Path) -> dict:
    """Draws every picture of the experiment, writes each as `<name>.png`, returns them."""
    pictures = {}
    for make in experiment.pictures:
        pictures |= make(learner, experiment.dataset, _seed(experiment))
    for name, picture in pictures.items():
        write_png(workdir / f"{name}.png", picture)
    return pictures


def judge(experiment: Experiment, learner: Learner, workdir: Path, history: History, command: str):
    """Runs every eval and writes `results.json`; returns the metrics."""
    metrics, protocol = {}, {}
    for evaluate in experiment.evals:
        metrics |= evaluate(learner, experiment.dataset, _seed(experiment))
        protocol |= evaluate.protocol(experiment.dataset)
    metrics |= _speed(experiment, history)
    keep(experiment, workdir, history, metrics, protocol, command)
    return metrics


def keep(
    experiment: Experiment,
    workdir: Path,
    end: History | DivergenceError,
    metrics: dict[str, float],
    protocol: dict[str, str],
    command: str,
):
    """Writes `results.json` of a run that ended there."""
    results.write(
        workdir / "results.json",
        method=experiment.method,
        dataset=experiment.dataset.name,
        variant=experiment.variant,
        seed=experiment.seed,
        scale=experiment.scale,
        steps=end.step,
        seconds=end.seconds,
        hardware=provenance.hardware(),
        versions=provenance.versions(),
        commit=provenance.commit(),
        command=command,
        metrics=metrics,
        protocol=protocol,
    )


def _seed(experiment: Experiment) -> tf.Tensor:
    # Another branch than training, the same for every eval: one command, one number.
    return noise.fold(noise.make_seed(experiment.seed), 1)


def _speed(experiment: Experiment, history: History) -> dict:
    speed = {"peak_memory_gib": usage.peak_memory_gib(), **history.speed}
    if "seconds_per_step" in speed:
        speed["images_per_second"] = experiment.batch_size / speed["seconds_per_step"]
    return speed
