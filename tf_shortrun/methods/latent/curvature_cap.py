"""A rule that caps every step size by the curvature where the step is made.

    s_k = min(s, c / |lambda_k|)

lambda_k is the eigenvalue of the largest size of the Hessian of -log p(z, x) at step k of a chain,
the median over a few images; all layers together, so that all have one step size. A Langevin step
is unstable where s lambda > 2, see `curvature.py`. The chain that measures lambda_k makes the
capped steps.
"""

import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import over_replicas, shared_variable
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.methods.latent.curvature import stable_shares
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.step_size import Adaptive, few


class CurvatureCap(Adaptive):
    """The rule s_k = min(s, c / |lambda_k|).

    Args:
      step_size: s.
      limit: c; a step is stable in the mean up to 2, and does not overshoot up to 1.
      num_images: images of a batch that are used, over all replicas.
    """

    def __init__(self, step_size: float, limit: float, num_images: int):
        if not min(step_size, limit) > 0 or num_images < 1:
            raise InputError(
                f"step_size {step_size}, limit {limit}, num_images {num_images}: choose positive "
                "numbers"
            )
        self._step_size, self._limit, self._num_images = step_size, limit, num_images

    @property
    def state(self) -> dict:
        return {"capped_sizes": self._sizes}

    @property
    def value(self) -> tf.Tensor:
        return tf.repeat(self._sizes[:, None], self._num_layers, axis=1)

    def build(self, num_steps: int, num_layers: int):
        self._num_layers = num_layers
        self._sizes = shared_variable(tf.fill([num_steps], self._step_size))

    def adapt(self, inference, model: LatentModel, batch: Batch, seed: Seed):
        """Measures lambda_k anew and sets s_k; with several replicas the mean of theirs."""
        images = few(batch, self._num_images)
        sizes = tf.fill([self._sizes.shape[0], self._num_layers], self._step_size)
        shares = stable_shares(inference, model, images, sizes, self._limit, seed)
        self._sizes.assign(self._step_size * over_replicas(shares))
        return {"step_sizes": self.value}
