"""The file that describes a network to `tools/torch_peer.py`."""

from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.blocks import GaussianConditional
from tf_shortrun.methods.latent.top_down import TopDownGenerator


def write(
    file: Path, model: TopDownGenerator, step_size: float, image: np.ndarray, weights: bool = True
) -> None:
    """Writes sizes and weights of `model`, and the images [B, H, W, C] for its chains, to `file`.

    Without `weights` the peer draws its own, which is as fast.

    Raises:
      InputError: if `model` is not the published network.
    """
    if not isinstance(model, TopDownGenerator) or not all(
        isinstance(c, GaussianConditional) for c in model.conditionals
    ):
        raise InputError("the peer has only Gaussian top-down generators: choose another pin")
    ups = model.upsampling.layers[::2]
    size = model.image_shape[0] // 2 ** len(ups)
    np.savez(
        file,
        image=image,
        sigma=model.sigma.numpy(),
        step_size=step_size,
        widths=model.latent_widths,
        sizes=[size, model.residuals[0].layers[0].filters, len(ups)],
        **(dict(_weights(model)) if weights else {}),
    )


def _weights(model: TopDownGenerator):
    """Yields (name in the peer, array in the layout of Keras) for every weight."""
    layers = {}
    for i, p in enumerate(model.projections):
        layers |= {f"projections.{i}.dense": p.layers[:1], f"projections.{i}.spread": p.layers[2:3]}
    blocks = {f"residuals.{i}": r for i, r in enumerate(model.residuals)} | {"last": model.last}
    for name, block in blocks.items():
        layers |= {
            f"{name}.wide": block.layers[:2],
            f"{name}.narrow": [*block.layers[2:], block.last],
        }
    for i, c in enumerate(model.conditionals):
        for j, readout in enumerate((c.mean, c.raw_std)):
            layers[f"conditionals.{i}.convolutions.{j}"] = readout[:2]
            layers[f"conditionals.{i}.denses.{j}"] = readout[-1:]
    ups = model.upsampling.layers
    layers |= {f"upsampling.{i}": ups[2 * i : 2 * i + 2] for i in range(len(ups) // 2)}
    for name, group in layers.items():
        arrays = [array for layer in group for array in layer.get_weights()]
        for part, array in zip(("weight", "bias"), arrays, strict=False):
            yield f"{name}.{part}", array
