"""Training and using a learner from Python: `fit`, `load`, and the `Run` that they return."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import (
    Adapts,
    HasLatents,
    Inpaints,
    Learner,
    Reconstructs,
    Scores,
)
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, from_arrays, observations
from tf_shortrun.export.saved_model import export
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.course import Course
from tf_shortrun.training.train import train

_AT_ONCE = 100  # examples in one call of a compiled function
_ADAPT_EVERY = 100


class Run:
    """A learner that has learned, with arrays in and arrays out.

    Observations are [N, ...] in the learner's shape: uint8 from 0 to 255, or floats on [-1, 1].
    One seed, an integer, gives the same numbers whenever it is asked. What a learner cannot do
    raises InputError.

    Attributes:
      learner: the learner.
    """

    def __init__(self, learner: Learner):
        self.learner = learner
        self._compiled: dict[str, Callable] = {}

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """Returns `num` new observations, float32 [num, ...] on [-1, 1]."""
        if num < 1:
            raise InputError(f"num is {num}: ask for at least one sample")
        sizes = [min(_AT_ONCE, num - first) for first in range(0, num, _AT_ONCE)]
        return np.concatenate(self._each("sample", sizes, seed))

    def reconstruct(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns the observations as the learner decodes their latents, float32 [N, ...]."""
        require(self.learner, Reconstructs, "reconstruct")
        return np.concatenate(self._each("reconstruct", self._parts(x), seed))

    def encode(self, x: np.ndarray, seed: int = 0) -> list[np.ndarray]:
        """Returns latents that explain observations: [N, d_l] of each layer, top to bottom."""
        require(self.learner, HasLatents, "encode")
        layers = zip(*self._each("infer", self._parts(x), seed), strict=True)
        return [np.concatenate(layer) for layer in layers]

    def decode(self, latents: list[np.ndarray]) -> np.ndarray:
        """Returns the observations [N, ...] of latents as `encode` returns them."""
        require(self.learner, HasLatents, "decode")
        layers = [tf.convert_to_tensor(z) for z in latents]
        return np.asarray(cast(HasLatents, self.learner).decode(layers))

    def inpaint(self, x: np.ndarray, mask: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns images with the pixels filled in where `mask` [N, H, W, 1] is False."""
        require(self.learner, Inpaints, "inpaint")
        mask = _mask(mask, np.shape(x))
        x = observations(np.where(mask, x, 0).astype(np.asarray(x).dtype), self._shape)
        parts = [
            {"image": x[i : i + _AT_ONCE], "mask": tf.constant(mask[i : i + _AT_ONCE])}
            for i in range(0, len(x), _AT_ONCE)
        ]
        return np.where(mask, x, np.concatenate(self._each("inpaint", parts, seed)))

    def score(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns how little observations are like the data, [N]: higher is less."""
        require(self.learner, Scores, "score")
        return np.concatenate(self._each("score", self._parts(x), seed))

    def export(self, folder: str | Path, name: str = "model") -> Path:
        """Writes `<folder>/saved_model/1`, for TensorFlow Serving under `name`; returns it."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        return export(self.learner, Path(folder), name)

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(self.learner.image_shape)

    def _parts(self, x: np.ndarray) -> list[dict]:
        x = observations(x, self._shape)
        return [{"image": x[i : i + _AT_ONCE]} for i in range(0, len(x), _AT_ONCE)]

    def _each(self, name: str, parts: Iterable, seed: int) -> list:
        """`learner.<name>(part, seed of its own)` of every part, compiled."""
        if name not in self._compiled:
            method = getattr(self.learner, name)
            self._compiled[name] = tf.function(method, autograph=False, reduce_retracing=True)
        root = noise.make_seed(seed)
        return [self._compiled[name](part, noise.fold(root, i)) for i, part in enumerate(parts)]


def _mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the mask of images of this shape: bool [N, H, W, 1]."""
    if len(shape) != 4:
        raise InputError(f"observations have the shape {shape}: inpaint needs images [N, H, W, C]")
    try:
        return np.broadcast_to(np.asarray(mask, bool), (*shape[:3], 1))
    except ValueError:
        wanted = ", ".join(map(str, (*shape[:3], 1)))
        raise InputError(f"the mask has the shape {np.shape(mask)}: give [{wanted}]") from None


def fit(
    learner: Learner,
    data: np.ndarray | Dataset | tf.data.Dataset,
    num_steps: int,
    batch_size: int = 100,
    seed: int = 0,
    workdir: str | Path | None = None,
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

    Raises:
      InputError: if the data do not have the learner's shape or scale, or a number makes no sense.
      DivergenceError: if a metric or a weight stops being finite.
    """
    dataset = from_arrays(data, tuple(learner.image_shape))
    course = Course(
        dataset=dataset,
        batch_size=min(batch_size, len(dataset.train.images)),
        num_steps=num_steps,
        seed=seed,
        checkpoint_every=max(1, num_steps // 10),
        adapt_every=_ADAPT_EVERY if can(learner, Adapts) else None,
    )
    course.check(learner)
    with tempfile.TemporaryDirectory() as nowhere:
        train(course, tf.distribute.get_strategy(), learner, Path(workdir or nowhere))
    return Run(learner)


def load(workdir: str | Path, data_only_settings: bool = False) -> Run:
    """The last checkpoint of a run of the command, by the settings that it kept.

    Args:
      data_only_settings: whether to refuse settings that name more than parts of this package and
        optimizers of Keras. They are a program otherwise: set it for a run of somebody else.

    Raises:
      InputError: if there is no such run, its data cannot be read, or its settings are refused.
    """
    settings = Path(workdir) / "operative.gin"
    if not settings.is_file():
        raise InputError(
            f"{workdir} has no operative.gin: load what tf-shortrun trained; a learner of your own "
            "goes on with fit(learner, ..., workdir)"
        )
    experiment = config.load([str(settings)], data_only=data_only_settings)
    with config.explained():
        learner = experiment.build(tf.distribute.get_strategy())
    if not Checkpoints(learner, Path(workdir) / "checkpoints").restore():
        raise InputError(f"no checkpoint in {workdir}: train first")
    return Run(learner)
