"""Training and using a learner from Python: `fit`, `load`, and the `Run` that they return."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts, Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval
from tf_shortrun.data import card
from tf_shortrun.data.dataset import Dataset, from_arrays
from tf_shortrun.export.model_card import Origin
from tf_shortrun.reporting import results
from tf_shortrun.training import weights
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import OnLine
from tf_shortrun.training.train import train
from tf_shortrun.training.validation import restore
from tf_shortrun.use import pretrained
from tf_shortrun.use.run import Run

_ADAPT_EVERY = 100


def fit(
    learner: Learner,
    data: np.ndarray | Dataset | tf.data.Dataset,
    num_steps: int,
    batch_size: int = 100,
    seed: int = 0,
    workdir: str | Path | None = None,
    validation: Eval | None = None,
    patience: int | None = None,
    on_line: OnLine | None = None,
) -> Run:
    """Trains a learner, and returns it as a `Run`.

    Args:
      data: observations [N, ...], uint8 or floats on [-1, 1]; or a `Dataset`, of which the
        training split is taken; or a finite tf.data of examples or of batches, of which the first
        part counts if it has several. It is read into memory once.
      num_steps: updates in all.
      batch_size: examples in an update; all of them if there are fewer.
      workdir: where checkpoints and curves go. The same call goes on from the last checkpoint
        there. None: nothing is kept.
      validation: an eval, such as `Reconstruction(batch_size=100, times=(1,))`, that judges the
        learner ten times on a tenth of the examples, which it does not learn from. The run that is
        returned is the best of these.
      patience: how often in a row there may be no better value before training ends.
      on_line: `on_line(step, numbers)`, called every 20 updates and at checkpoints with the means
        since the last call and the time, by name: what `history.jsonl` keeps. What it raises ends
        the training; the last checkpoint is valid then.

    Raises:
      InputError: if the data do not have the learner's shape or scale, or a number makes no sense.
      DivergenceError: if a metric or a weight stops being finite.
    """
    dataset = from_arrays(data, tuple(learner.image_shape))
    course = Course(
        dataset=dataset,
        batch_size=batch_size,
        num_steps=num_steps,
        seed=seed,
        checkpoint_every=max(1, num_steps // 10),
        adapt_every=_ADAPT_EVERY if can(learner, Adapts) else None,
        validation=validation,
        patience=patience,
    )
    most = course.trained_on.num_learned
    course = dataclasses.replace(course, batch_size=min(batch_size, most))
    course.check(learner)
    with tempfile.TemporaryDirectory() as nowhere:
        place = Path(workdir or nowhere)
        train(course, tf.distribute.get_strategy(), learner, place, on_line=on_line)
    return Run(learner, Origin(dataset.name, dataset.preparation, classes=dataset.classes))


def load(workdir: str | Path, data_only_settings: bool = False) -> Run:
    """A run of the command by the settings that it kept: its best state, else its last checkpoint.

    The data are not read, unless the run has kept nothing of them (no `data.json`).

    Args:
      workdir: its folder, or the address of weights that come with the package, such as
        `tf_shortrun://digits`.
      data_only_settings: whether to refuse settings that name more than parts of this package and
        optimizers of Keras. They are a program otherwise: set it for a run of somebody else.

    Raises:
      InputError: if there is no such run, its files cannot be read, or its settings are refused.
    """
    is_ours = str(workdir).startswith(pretrained.SCHEME)
    folder = pretrained.find(str(workdir)) if is_ours else Path(workdir)
    settings = folder / "operative.gin"
    if not settings.is_file():
        raise InputError(
            f"{workdir} has no operative.gin: load what tf-shortrun trained; a learner of your own "
            "goes on with fit(learner, ..., workdir)"
        )
    dataset = card.stand_in(folder) if (folder / card.NAME).exists() else None
    experiment = config.load([str(settings)], dataset=dataset, data_only=data_only_settings)
    with config.explained():
        learner = experiment.build(tf.distribute.get_strategy())
    if (folder / weights.FILE).exists():
        weights.read(learner, folder)
    elif not restore(experiment, learner, folder):
        raise InputError(f"no checkpoint in {workdir}: train first")
    known = dataset or experiment.dataset
    result = results.fields(folder / "results.json")
    return Run(learner, Origin(known.name, known.preparation, result, known.classes))
