"""The signatures of a served learner: functions of tensors, with the types of their inputs.

    sample       seed int32 [2], n int32 []             -> images [n, ...]
    reconstruct  image [B, ...], seed                   -> images [B, ...]
    inpaint      image, mask bool [B, H, W, 1], seed    -> images
    score        image, seed                            -> scores [B]

These have one seed for all rows. The others have one for each row, [B, 2], and a batch axis
throughout, so that a server can put calls together; a row depends on its own inputs alone:

    sample_each, reconstruct_each, inpaint_each, score_each: as above, without n
    encode       image, seed                            -> layer0 [B, d_0] (the top), layer1, ...
    decode       layer0, layer1, ...                    -> images
    interpolate  start, end, position [B], seed         -> images; position 0 to 1, great circle

For pictures there is also `<name>_bytes`, which has files instead, strings [B], see
`image_files.py`: it takes image_bytes, mask_bytes, start_bytes and end_bytes, PNG or JPEG, and
gives images_bytes, PNG.

For a table there is `<name>_rows` with rows in its own units, see `table_signatures.py`.

All numbers but seeds are float32. Pixels where mask is true (observed) are returned unchanged, the
other pixels (hidden) are filled in, and their values have no effect. Scores are higher for
observations that are less like the data.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import (
    HasLatents,
    Inpaints,
    LacksPartition,
    Learner,
    Reconstructs,
    Scores,
)
from tf_shortrun.core.latent_paths import on_great_circle
from tf_shortrun.export import checks

_SEED = tf.TensorSpec([2], tf.int32, "seed")
_SEEDS = tf.TensorSpec([None, 2], tf.int32, "seed")


class Signature(NamedTuple):
    """A function of tensors by name -> tensors by name, and the types of its inputs by name."""

    work: Callable[..., dict[str, tf.Tensor]]
    inputs: Mapping[str, tf.TensorSpec]

    @property
    def is_batchable(self) -> bool:
        """Whether a server may put calls together: every input has a batch axis."""
        return all(spec.shape.rank and spec.shape[0] is None for spec in self.inputs.values())


def of_one_seed(learner: Learner) -> dict[str, Signature]:
    """Returns the signatures with one seed for all rows, by name; the first is the default."""
    shape = list(learner.image_shape)

    def sample(seed, n):
        num = checks.checked_count(n, shape)
        return _images(learner.sample(num, checks.checked_seed(seed, shape)), shape)

    n = tf.TensorSpec([], tf.int32, "n")
    made = {"sample": Signature(sample, {"seed": _SEED, "n": n})} | _of_images(learner, _SEED)
    return {name: traced(each) for name, each in made.items()}


def of_rows(learner: Learner) -> dict[str, Signature]:
    """Returns the signatures with one seed for each row, by name."""
    shape = list(learner.image_shape)

    def sample(seed):
        seed = checks.checked_seed(seed, shape)
        return _images(learner.sample(tf.shape(seed)[0], seed), shape)

    made = {"sample": Signature(sample, {"seed": _SEEDS})} | _of_images(learner, _SEEDS)
    made = {f"{name}_each": each for name, each in made.items()} | _of_latents(learner)
    return {name: traced(each) for name, each in made.items()}


def traced(signature: Signature) -> Signature:
    """Returns the signature with a graph for its function, made once, however often it is saved."""
    work = tf.function(signature.work, autograph=False)
    return signature._replace(work=work.get_concrete_function(**signature.inputs))


def _of_images(learner: Learner, seed_spec: tf.TensorSpec) -> dict[str, Signature]:
    """Returns the signatures that take images, for one seed or for one a row."""
    shape = list(learner.image_shape)
    inputs = {"image": tf.TensorSpec([None, *shape], tf.float32, "image")}

    def seed_for(image, seed):
        return checks.checked_seed(seed, shape, checks.rows(image))

    def reconstruct(image, seed):
        batch = {"image": checks.checked_image(image, shape)}
        return _images(learner.reconstruct(batch, seed_for(image, seed)), shape)

    def inpaint(image, mask, seed):
        seed = seed_for(image, seed)
        image, mask = checks.checked_hidden(image, mask, shape)
        made = learner.inpaint({"image": image, "mask": mask}, seed)
        return _images(tf.where(mask, image, made), shape)

    def score(image, seed):
        batch = {"image": checks.checked_image(image, shape)}
        scores = learner.score(batch, seed_for(image, seed))
        return checks.finite({"scores": tf.ensure_shape(scores, [None])})

    made = {}
    if can(learner, Reconstructs):
        made["reconstruct"] = Signature(reconstruct, inputs | {"seed": seed_spec})
    if can(learner, Inpaints) and len(shape) == 3:
        mask = tf.TensorSpec([None, *shape[:2], 1], tf.bool, "mask")
        made["inpaint"] = Signature(inpaint, inputs | {"mask": mask, "seed": seed_spec})
    if can(learner, Scores):
        made["score"] = Signature(score, inputs | {"seed": seed_spec})
    return made


def _of_latents(learner: Learner) -> dict[str, Signature]:
    """Returns the signatures of a learner with latents; between bits there is no path."""
    if not can(learner, HasLatents):
        return {}
    shape, widths = list(cast(Learner, learner).image_shape), _widths(learner)
    names = [f"layer{i}" for i in range(len(widths))]

    def encode(image, seed):
        seed = checks.checked_seed(seed, shape, checks.rows(image))
        latents = learner.infer({"image": checks.checked_image(image, shape)}, seed)
        return checks.finite(dict(zip(names, latents, strict=True)))

    def decode(**layers):
        latents = checks.checked_latents({name: layers[name] for name in names}, widths, shape)
        return _images(learner.decode(latents), shape)

    def interpolate(start, end, position, seed):
        num = checks.rows(start)
        seed = checks.checked_seed(seed, shape, num)
        ends = [
            checks.checked_image(start, shape, "start"),
            checks.checked_image(end, shape, "end", num),
        ]
        position = checks.checked_position(position, num)
        both = {"image": tf.concat(ends, axis=0)}
        latents = learner.infer(both, tf.concat([seed, seed], axis=0))
        pairs = zip(*(tf.split(z, 2) for z in latents), strict=True)
        return _images(learner.decode(on_great_circle(*pairs, position[:, None])), shape)

    layers = [
        tf.TensorSpec([None, width], tf.float32, name)
        for name, width in zip(names, widths, strict=True)
    ]
    image, start, end = (
        tf.TensorSpec([None, *shape], tf.float32, name) for name in ("image", "start", "end")
    )
    position = tf.TensorSpec([None], tf.float32, "position")
    made = {
        "encode": Signature(encode, {"image": image, "seed": _SEEDS}),
        "decode": Signature(decode, dict(zip(names, layers, strict=True))),
    }
    if not can(learner, LacksPartition):
        inputs = {"start": start, "end": end, "position": position, "seed": _SEEDS}
        made["interpolate"] = Signature(interpolate, inputs)
    return made


def _widths(learner: HasLatents) -> list[int]:
    """Returns the width of every layer of latents, the top first."""
    draw = tf.function(lambda: list(learner.sample_latents(1, noise.make_seed(0))), autograph=False)
    return [z.shape[-1] for z in draw.get_concrete_function().structured_outputs]


def _images(images: tf.Tensor, shape: list[int]) -> dict[str, tf.Tensor]:
    return checks.finite({"images": tf.ensure_shape(images, [None, *shape])})
