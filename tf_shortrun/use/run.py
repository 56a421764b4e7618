"""A learner that has learned, with arrays in and arrays out."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import tensorflow as tf

from tf_shortrun.core import latent_paths, noise
from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import (
    HasLatents,
    Inpaints,
    LacksPartition,
    Learner,
    Reconstructs,
    Scores,
)
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Latents, Seed
from tf_shortrun.data.arrays import observations
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.saved_model import export
from tf_shortrun.use import given
from tf_shortrun.use.parts import AT_ONCE, Parts, cut

_UNKNOWN = Origin()
_PATHS = {"great_circle": latent_paths.great_circle, "straight": latent_paths.straight}


class Run:
    """A learner that has learned, with arrays in and arrays out.

    Observations are [N, ...] in the learner's shape: uint8 from 0 to 255, or floats on [-1, 1].
    One seed, an integer, gives the same numbers whenever it is asked. What a learner cannot do
    raises InputError.

    Attributes:
      learner: the learner.
      preparation: how a picture, or rows of a table, become observations: call it on them; None if
        that is not known.
    """

    def __init__(self, learner: Learner, origin: Origin = _UNKNOWN):
        self.learner, self.preparation = learner, origin.preparation
        self._origin, self._parts = origin, Parts(learner)
        self._percentiles = origin.result.get("score_percentiles", {})

    def sample(
        self,
        num: int,
        seed: int = 0,
        held: Sequence[int] = (),
        label: int | str | Sequence[int | str] | None = None,
    ) -> np.ndarray:
        """Returns `num` new observations, float32 [num, ...] on [-1, 1].

        Args:
          held: layers, 0 is the top, whose latents are the same in all of them.
          label: the label that they have, by number or by name; several labels take turns.
        """
        if num < 1:
            raise InputError(f"num is {num}: ask for at least one sample")
        if label is not None:
            labels = given.labels(label, num, held, self.learner, self._origin.classes)
            return np.concatenate(self._parts.each("sample_of", cut(labels), seed))
        if held:
            drawn = self._draw(num, seed, "held layers")
            for layer in held:
                self._check_layer(layer, drawn)
            return self.decode(latent_paths.hold(drawn, held))
        sizes = [min(AT_ONCE, num - first) for first in range(0, num, AT_ONCE)]
        return np.concatenate(self._parts.each("sample", sizes, seed))

    def reconstruct(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns the observations as the learner decodes their latents, float32 [N, ...]."""
        require(self.learner, Reconstructs, "reconstruct")
        return np.concatenate(self._parts.each("reconstruct", self._batches(x), seed))

    def encode(self, x: np.ndarray, seed: int = 0) -> list[np.ndarray]:
        """Returns latents that explain observations: [N, d_l] of each layer, top to bottom."""
        require(self.learner, HasLatents, "encode")
        layers = zip(*self._parts.each("infer", self._batches(x), seed), strict=True)
        return [np.concatenate(layer) for layer in layers]

    def decode(self, latents: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the observations [N, ...] of latents as `encode` returns them."""
        layers = [tf.convert_to_tensor(z, tf.float32) for z in latents]
        wanted = [z.shape[-1] for z in self._draw(1, 0, "decode")]
        shapes = [tuple(z.shape) for z in layers]
        if not shapes or shapes != [(max(shapes[0][0], 1), width) for width in wanted]:
            sizes = ", ".join(f"[N, {width}]" for width in wanted)
            raise InputError(f"latents have the shapes {shapes}: give a list of {sizes}")
        parts = [list(part) for part in zip(*map(cut, layers), strict=True)]
        return np.concatenate([self._parts.call("decode", part) for part in parts])

    def interpolate(
        self, a: np.ndarray, b: np.ndarray, num: int = 8, path: str = "great_circle", seed: int = 0
    ) -> np.ndarray:
        """Returns observations on a path between the latents of two observations: [num, ...].

        Args:
          a, b: one observation each, without a batch axis.
          path: "great_circle", on which every point has the length of draws from the prior, or
            "straight".
        """
        self._check_real("interpolate")
        if path not in _PATHS or num < 2:
            raise InputError(f"path is {path!r}, num {num}: choose {' or '.join(_PATHS)}, num >= 2")
        latents = self.encode(np.stack([a, b]), seed)
        start, end = ([tf.constant(z[i : i + 1]) for z in latents] for i in (0, 1))
        return self.decode(_PATHS[path](start, end, num))

    def traverse(
        self,
        layer: int,
        coordinate: int | None = None,
        x: np.ndarray | None = None,
        num: int = 8,
        seed: int = 0,
    ) -> np.ndarray:
        """Returns observations [num, ...] while one part of the latents moves.

        Args:
          layer: what moves; 0 is the top layer.
          coordinate: of the layer, which moves from -3 to 3. None: the layer goes around the circle
            through its latents and another draw of the prior.
          x: one observation, whose latents are the start. None: a draw of the prior.
        """
        self._check_real("traverse")
        root = noise.make_seed(seed)
        drawn = self._draw(1, root, "traverse")
        other = self._draw(1, noise.stream(root, "other"), "traverse")
        start = drawn if x is None else [tf.constant(z) for z in self.encode(x[None], seed)]
        width = self._check_layer(layer, start)
        if coordinate is None:
            return self.decode(latent_paths.around(start, other, layer, num))
        if not 0 <= coordinate < width:
            raise InputError(f"coordinate is {coordinate}: layer {layer} has 0 to {width - 1}")
        return self.decode(latent_paths.along_coordinate(start, layer, coordinate, 3.0, num))

    def inpaint(self, x: np.ndarray, mask: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns images with the pixels filled in where `mask` [N, H, W, 1] is False."""
        require(self.learner, Inpaints, "inpaint")
        mask = given.mask(mask, np.shape(x))
        x = observations(
            np.where(mask, x, 0).astype(np.asarray(x).dtype), tuple(self.learner.image_shape)
        )
        pairs = zip(cut(x), cut(tf.constant(mask)), strict=True)
        parts = [{"image": image, "mask": seen} for image, seen in pairs]
        return np.where(mask, x, np.concatenate(self._parts.each("inpaint", parts, seed)))

    def score(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """Returns how little observations are like the data, [N]: higher is less."""
        require(self.learner, Scores, "score")
        return np.concatenate(self._parts.each("score", self._batches(x), seed))

    @property
    def knows_percentiles(self) -> bool:
        return len(self._percentiles) > 0

    def percentile(self, scores: np.ndarray) -> np.ndarray:
        """Returns the percentage of training examples with lower scores than these: [N], 0 to 100.

        Raises:
          InputError: if training did not keep its scores, as `fit` does not.
        """
        if not self.knows_percentiles:
            raise InputError(
                "no scores of training examples are known: train by the command, or evaluate again"
            )
        percents = [float(percent) for percent in self._percentiles]
        return np.interp(scores, list(self._percentiles.values()), percents)

    def export(self, folder: str | Path, name: str = "model") -> Path:
        """Writes `<folder>/saved_model/<n>`, for TensorFlow Serving under `name`; returns it.

        n is 1, or one more than the last.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        return export(self.learner, Path(folder), name, self._origin)

    def _batches(self, x: np.ndarray) -> list[dict]:
        x = observations(x, tuple(self.learner.image_shape))
        return [{"image": part} for part in cut(x)]

    def _draw(self, num: int, seed: Seed | int, what_for: str) -> Latents:
        require(self.learner, HasLatents, what_for)
        return cast(HasLatents, self.learner).sample_latents(num, noise.make_seed(seed))

    def _check_real(self, what_for: str):
        if can(self.learner, LacksPartition):
            raise InputError(f"the latents are bits, between which there is no path: no {what_for}")

    def _check_layer(self, layer: int, latents: Latents) -> int:
        """Returns the width of a layer that exists."""
        if not 0 <= layer < len(latents):
            raise InputError(f"there is no layer {layer}: choose 0 (the top) to {len(latents) - 1}")
        return latents[layer].shape[-1]
