"""What an experiment will be: its model by layer, arithmetic, time and memory. Writes nothing."""

import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise, usage
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import CountsPasses, Learner
from tf_shortrun.core.flops import flops
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.steps import distribute, make_steps

_TIMED = 3  # updates, after the first, which includes the compilation


def preview(experiment: Experiment, strategy: tf.distribute.Strategy, learner: Learner) -> str:
    """Returns a text with all of it, one fact in a line.

    The time of an update is measured, so the learner makes a few updates in memory. They do not
    include pictures and evals.
    """
    data = experiment.dataset
    lines = [
        _line("method", " ".join(filter(None, [experiment.method, experiment.variant]))),
        _line("scale, seed", f"{experiment.scale}, {experiment.seed}"),
        _line("data", f"{data.name}, {len(data.train.images)} for training, "
              f"{len(data.test.images)} for testing, each {list(data.image_shape)}"),
        _line("updates", f"{experiment.num_steps} of {experiment.examples_per_update} examples"),
    ]  # fmt: skip
    for name, part in sorted(learner.state.items()):
        if isinstance(part, keras.Model):
            lines += _network(name, part)
    lines += [
        _line("evals", _names(experiment.evals)),
        _line("pictures", _names(experiment.pictures)),
    ]
    lines += _cost(experiment, learner)
    return "\n".join([*lines, *_time(experiment, strategy, learner)])


def _line(name: str, value: object) -> str:
    return f"{name:24s} {value}"


def _names(parts) -> str:
    return ", ".join(type(part).__name__ for part in parts) or "none"


def _network(name: str, network: keras.Model) -> Iterator[str]:
    """Yields a line for a network, and one for each layer with weights of its own."""
    total = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    yield _line(name, f"{total:,} parameters")
    layers: dict[str, list] = {}
    for variable in network.trainable_variables:
        layers.setdefault(variable.path.rpartition("/")[0], []).append(variable)
    for path, weights in layers.items():
        shapes = " ".join(str(list(v.shape)) for v in weights)
        count = sum(int(np.prod(v.shape)) for v in weights)
        yield f"  {path.partition('/')[2] or path:46s} {count:>12,}  {shapes}"


def _cost(experiment: Experiment, learner: Learner) -> Iterator[str]:
    if not can(learner, CountsPasses):
        yield _line("operations", "not counted for this method")
        return
    image = tf.zeros([1, *experiment.dataset.image_shape])
    yield _line("chain steps", learner.chain_steps)
    update = experiment.examples_per_update * flops(learner.passes(image))
    yield _line("operations", f"{update:.3g} in an update")


def _time(experiment: Experiment, strategy: tf.distribute.Strategy, learner: Learner):
    batches = iter(distribute(experiment, strategy))
    step_at = make_steps(strategy, learner, noise.make_seed(0), experiment.jit_compile)
    seconds = []
    for step in range(1, 2 + min(_TIMED, experiment.num_steps)):
        begin = time.perf_counter()
        metrics = step_at(step)(next(batches), tf.constant(step))
        tf.nest.map_structure(np.asarray, metrics)
        seconds.append(time.perf_counter() - begin)
    update = float(np.median(seconds[1:]))
    whole = experiment.num_steps * update
    yield _line("time of an update", f"{update:.3g} s, the first {seconds[0]:.3g} s")
    yield _line("time of all updates", f"about {_duration(whole)}, without evals and pictures")
    yield _line("peak memory", f"{usage.peak_memory_gib():.2g} GiB until now")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
