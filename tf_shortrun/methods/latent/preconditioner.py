"""A diagonal preconditioner: it scales the step size by the inverse curvature.

    M_i = 1 / c_i,    c_i = 1 + E[ (J_g(z)^T v)_i^2 ] / sigma^2,    v_j = +1 or -1

For such v the expectation is sum_j J_ji^2, so c is the diagonal of the Gauss-Newton matrix
I + J^T J / sigma^2, averaged over the ends of the chains. A running mean follows the model as
it learns. M depends on the model and not on the image: it is constant along a chain, so the
kernel needs no correction and the volume change of a step stays exact.

References: M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix,
1989. C. Bekas, E. Kokiopoulou, Y. Saad, An estimator for the diagonal of a matrix, 2007.
"""

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import moved, over_replicas, shared_variable
from tf_shortrun.core.shapes import Latents, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel

_NUM_DRAWS = 256  # from the prior, for the first estimate


class GaussNewton:
    """The preconditioner M from a running mean of the curvature c.

    Args:
      momentum: that of the running mean, in [0, 1).
    """

    def __init__(self, momentum: float):
        if not 0 <= momentum < 1:
            raise InputError(f"momentum is {momentum}: choose a number from 0 to below 1")
        self._momentum = momentum

    @property
    def state(self) -> dict:
        return {f"curvature_{l}": c for l, c in enumerate(self._curvatures)}

    @property
    def diagonal(self) -> Latents:
        """The diagonal of M: [d_l] for each layer."""
        return [1.0 / c for c in self._curvatures]

    def build(self, model: LatentModel):
        seed = noise.make_seed(0)
        first = _curvatures(
            model,
            model.sample_latents(_NUM_DRAWS, noise.stream(seed, "latents")),
            noise.stream(seed, "probe"),
        )
        self._curvatures = [shared_variable(c) for c in first]

    def learn(self, model: LatentModel, latents: Latents, seed: Seed):
        """Updates c <- momentum c + (1 - momentum) (estimate of c at `latents`)."""
        for c, new in zip(self._curvatures, _curvatures(model, latents, seed), strict=True):
            c.assign(moved(c, over_replicas(new), self._momentum))


def _curvatures(model: LatentModel, latents: Latents, seed: Seed) -> Latents:
    """Returns the estimate of c by one probe v for each example, mean over examples."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(latents)
        mean = model(latents)
    probe = tf.sign(noise.normal(seed, [tf.shape(mean)[0], *mean.shape[1:]]))
    projections = tape.gradient(mean, latents, output_gradients=probe)
    return [1.0 + tf.reduce_mean(g**2, axis=0) / model.normal_sigma() ** 2 for g in projections]
