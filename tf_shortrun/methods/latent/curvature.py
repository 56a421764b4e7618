"""The largest curvature along a chain, which decides whether its steps are stable.

A Langevin step of sizes S = diag(s_l) near a point m with zero gradient is, to first order,

    z' - m = (I - S H) (z - m) + noise,    H = -Hess log p(z, x)

It is unstable in a direction where the eigenvalue of S H exceeds 2. S H has the eigenvalues of the
symmetric A = S^1/2 H S^1/2. Power iteration finds the largest by Hessian-vector products:

    v <- A v / |A v|,    s lambda = v^T A v

It converges to the eigenvalue of the largest magnitude; too few rounds give too small a magnitude.

References: G. H. Golub, C. F. Van Loan, Matrix Computations, 2013, section 7.3. J. Cohen et al.,
Gradient descent on neural networks typically occurs at the edge of stability, ICLR 2021 (the same
limit for the loss of a network).
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent.latent_model import LatentModel

NUM_IMAGES = 8  # of a batch, for a measurement in training


def largest(
    log_prob_fn: Callable[[Latents], tf.Tensor],
    latents: Latents,
    step_sizes: Sequence[tf.Tensor],
    seed: Seed,
    num_rounds: int = 12,
) -> tf.Tensor:
    """Returns s lambda for each example: [B].

    Args:
      log_prob_fn: log density up to a constant, [B]; each value depends on one example only.
      step_sizes: s for each layer, a number or [d_l].
      seed: for the first directions v.
    """
    roots = [tf.sqrt(s) for s in step_sizes]

    def improve(v: Latents, control, own: Seed):
        del control, own
        product = _hessian_product(log_prob_fn, latents, _times(roots, v))
        product = [-x for x in _times(roots, product)]
        return _unit(product), tf.add_n([tf.reduce_sum(x, axis=-1) for x in _times(v, product)])

    start = _unit(nest.normal_like(latents, seed))
    _, values = unroll(improve, start, tf.zeros([num_rounds]), seed)
    return values[-1]


def along_chain(inference, model: LatentModel, batch: Batch, seed: Seed) -> Metrics:
    """Returns s lambda at the start, the middle and the end of a few chains of a `ShortRun`.

    s is the size of the next step there, and of the last step at the end. step_sharpness/start,
    middle, end: medians over the chains. step_sharpness/worst: the largest of all.
    """
    few = {name: part[:NUM_IMAGES] for name, part in batch.items()}
    sizes = inference.step_sizes(len(model.latent_widths))
    num_steps = sizes.shape[0]
    each = {}
    for place, count in (("start", 0), ("middle", num_steps // 2), ("end", num_steps)):
        latents = inference.start.draw(model, few, noise.stream(seed, "start"))
        if count:  # the start and the first steps of one and the same chain
            latents = inference.run(model, few, sizes[:count], seed)[0].latents
        steps = langevin.scaled(sizes[min(count, num_steps - 1)], inference.diagonal)
        directions = noise.stream(seed, "directions")
        each[place] = largest(model.log_joint_of(few), latents, steps, directions)
    medians = {f"step_sharpness/{place}": median(values) for place, values in each.items()}
    return medians | {"step_sharpness/worst": tf.reduce_max(list(each.values()))}


def stable_shares(
    inference, model: LatentModel, batch: Batch, sizes: tf.Tensor, limit: float, seed: Seed
) -> tf.Tensor:
    """Returns min(1, c / |s lambda|) for each step of chains of a `ShortRun`: [K].

    s lambda is that of `largest`, for the sizes of this step, the median over the batch. A negative
    one counts as much: there a step drives latents apart by 1 + |s lambda|. The chains make the
    steps that are left of `sizes` [K, L].
    """
    log_joint = model.log_joint_of(batch)
    move = langevin.make_step(log_joint, inference.noise_scale, inference.diagonal)

    def step(state, size, own):
        steps = langevin.scaled(size, inference.diagonal)
        found = largest(log_joint, state.latents, steps, noise.stream(own, "directions"))
        share = tf.minimum(1.0, limit / median(tf.abs(found)))
        state, _ = move(state, share * size, noise.stream(own, "move"))
        return state, share

    start = inference.start.draw(model, batch, noise.stream(seed, "start"))
    return unroll(step, langevin.LangevinState(start), sizes, noise.stream(seed, "chain"))[1]


def median(values: tf.Tensor) -> tf.Tensor:
    """Returns the median of [B], the mean of both middle values if B is even."""
    ranked, num = tf.sort(values), tf.shape(values)[0]
    return (ranked[(num - 1) // 2] + ranked[num // 2]) / 2


def _hessian_product(log_prob_fn: Callable, latents: Latents, v: Latents) -> Latents:
    """Returns Hess log p(latents) v, by a gradient of the gradient along v."""
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(latents)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(latents)
            log_prob = log_prob_fn(latents)
        along = _times(inner.gradient(log_prob, latents), v)
    return outer.gradient(along, latents)


def _times(a: Sequence[tf.Tensor], b: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [x * y for x, y in zip(a, b, strict=True)]


def _unit(v: Latents) -> Latents:
    """Returns v / |v|, where the norm is over all layers of an example."""
    norm = tf.sqrt(nest.squared_norm(v))[:, None]
    return [x / norm for x in v]
