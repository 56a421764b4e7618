"""The contract of inference: `inference(model, batch, seed, times=1) -> Posterior`."""

from typing import NamedTuple

from tf_shortrun.shapes import Latents, Metrics


class Posterior(NamedTuple):
    """What inference found for each example of a batch.

    latents: one draw for each example, [B, d_l] per layer, constant to every tape.
    info: what the method recorded on its way (for a chain: one entry per step).
    metrics: a few scalars to watch while training.
    """

    latents: Latents
    info: NamedTuple
    metrics: Metrics
