"""A picture of chains that move latents."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tf_shortrun.core.contracts import GuidesLatents, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import strips
from tf_shortrun.evals.pictures.grids import Pictures
from tf_shortrun.evals.pictures.tiles import stack
from tf_shortrun.methods.energy.chain_effect import Chain, run


@dataclasses.dataclass(frozen=True)
class ChainStrips:
    """The picture `latent_chains`: decoded states of chains, one strip for each of `chains`.

    All strips start from the same `num` latents. Each shows `frames` equally spaced states.
    """

    captions: ClassVar = {
        "latent_chains": (
            "One strip for each chain on the latents, in the order of the settings. All start from "
            "the same latents, on the left. Points in the plane are drawn over the test points, "
            "which are grey."
        ),
    }

    chains: Sequence[Chain]
    num: int
    frames: int

    def __post_init__(self):
        check_counts(self, frames=2)

    check = needs(GuidesLatents)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        blocks = [self._strip(learner, chain, dataset, seed) for chain in self.chains]
        return {"latent_chains": stack(blocks)}

    def _strip(self, learner: GuidesLatents, chain: Chain, dataset: Dataset, seed: Seed):
        states, _ = run(learner, chain, self.num, seed)
        shown = strips.pick(states, self.frames)
        images = learner.decode(shown.reshape(-1, shown.shape[-1]))
        images = np.reshape(images, [*shown.shape[:2], *dataset.image_shape])
        return strips.draw(images, dataset)
