"""The multi-layer top-down generator of short-run inference.

    h_L = Res_L(Proj_L(eps_L))
    z_l = Cond_l(h_{l+1}, eps_l)                 l = L-1 .. 1
    h_l = Res_l(Proj_l(z_l)) + h_{l+1}
    g   = Up(Res_0(h_1))

With widths (64, 64, 64, 96, 128), 64 features at 16 x 16 and one doubling this is the released
CelebA-32 network with 12,162,435 parameters (ladder: 6,800,419). Larger images need more
doublings, smaller images a smaller base. Where a side cannot be halved that often, the base maps
are rounded up, and the middle of the last image is kept.
"""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core.capabilities import only_if
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Latents
from tf_shortrun.methods.latent.blocks import (
    GaussianConditional,
    Projection,
    ResidualBlock,
    Upsampling,
)
from tf_shortrun.methods.latent.label_codes import LabelCodes
from tf_shortrun.methods.latent.latent_model import NormalPriorModel
from tf_shortrun.networks import sides
from tf_shortrun.networks.chunked import in_parts
from tf_shortrun.networks.precision import layers_of


class TopDownGenerator(NormalPriorModel):
    """A generator of images from L layers of Gaussian noise, top to bottom.

    Args:
      image_shape: (height, width, channels) of the image.
      latent_widths: d_L, ..., d_1, top to bottom.
      features: number of channels of every feature map.
      num_upsamplings: doublings between the base maps and the image, at least 1; None for as many
        as leave base maps of at least 6 x 6, see `networks/sides.py`.
      conditional: makes the layer `(h, eps) -> z` from (width, sides of base maps, features):
        `GaussianConditional` (published) or `LadderMerge`.
      sigma: standard deviation of the observation on [-1, 1].
      policy: precision of the layers, "float32" or "mixed_bfloat16", see `networks/precision.py`.
      images_at_once: number of images in one pass of the network; None for the whole batch. A
        number saves memory for feature maps and costs half more arithmetic, see
        `networks/chunked.py`.
      starts_at_mean: whether training sets the output bias to the mean colour of the data before
        the first update. Released code does not. Else the first updates all push the output in one
        direction, and at a high learning rate they leave it where tanh has no gradient.
      label_codes: makes the label an input of the top layer, see `label_codes.py`; None for none.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_widths: Sequence[int],
        features: int,
        num_upsamplings: int | None,
        conditional: Callable,
        sigma: float,
        policy: str = "float32",
        images_at_once: int | None = None,
        starts_at_mean: bool = False,
        label_codes: LabelCodes | None = None,
    ):
        super().__init__(latent_widths, sigma)
        self.label_codes = label_codes
        if images_at_once is not None and images_at_once < 1:
            raise InputError(f"images_at_once is {images_at_once}: choose one or more, or None")
        self._images_at_once, self._starts_at_mean = images_at_once, starts_at_mean
        if features < 1:
            raise InputError(f"features is {features}: choose at least 1")
        num_upsamplings = _checked(image_shape, num_upsamplings)
        self._shape_of_image = tuple(image_shape)
        base = sides.halved(image_shape, num_upsamplings)
        with layers_of(policy):
            self.projections = [Projection(width, base, features) for width in latent_widths]
            self.residuals = [ResidualBlock(features) for _ in latent_widths]
            self.conditionals = [conditional(width, base, features) for width in latent_widths[1:]]
            self.last = ResidualBlock(features)
            self.upsampling = Upsampling(num_upsamplings, features, image_shape[-1])
        self._finish()

    @only_if(lambda self: self._starts_at_mean)
    def start_at(self, mean: tf.Tensor):
        """Sets the output bias to atanh(mean), mean [C] on [-1, 1]."""
        self.upsampling.start_at(mean)

    def call(self, latents: Latents) -> tf.Tensor:
        if self._images_at_once is None:
            return self._decode(latents)
        return in_parts(self._decode, latents, self._images_at_once)

    def _decode(self, latents: Latents) -> tf.Tensor:
        h, _ = self._descend(lambda layer, _: latents[layer])
        return sides.cut_middle(self.upsampling(self.last(h)), self._shape_of_image)

    def latent_distributions(self, latents: Latents) -> list[tfd.Distribution]:
        """Returns p(z_L), p(z_{L-1} | z_L), ... for these latents (Gaussian variant only)."""
        self._check_density()
        _, features = self._descend(lambda layer, _: latents[layer])
        pairs = zip(self.conditionals, features[:-1], strict=True)
        return [self.prior[0]] + [c.distribution(h) for c, h in pairs]

    def explain(self, choose: Callable) -> Latents:
        """Returns the noise eps that `choose` gives for each layer, from the top down.

        Args:
          choose: `(layer, mean, std) -> eps`, [B, d_l]; mean and std are those of p(z_l | z_above),
            0 and 1 for the top, and z_l = mean + std * eps (Gaussian variant only).
        """
        self._check_density()
        latents = []

        def draw(layer, above):
            moments = self.conditionals[layer - 1].moments(above) if layer else (0.0, 1.0)
            latents.append(choose(layer, *(tf.cast(m, tf.float32) for m in moments)))
            return latents[-1]

        self._descend(draw)
        return latents

    def _descend(self, draw: Callable):
        """Returns the last features and those of each layer, with eps = draw(layer, above)."""
        h = self.residuals[0](self.projections[0](draw(0, None)))
        features = [h]
        layers = zip(self.conditionals, self.projections[1:], self.residuals[1:], strict=True)
        for layer, (conditional, project, residual) in enumerate(layers, 1):
            h = residual(project(conditional(h, draw(layer, h))), others=(h,))
            features.append(h)
        return h, features

    def _check_density(self):
        if not all(isinstance(c, GaussianConditional) for c in self.conditionals):
            raise InputError("only Gaussian conditionals have a density: a LadderMerge has none")


def _checked(image_shape: Sequence[int], num_upsamplings: int | None) -> int:
    """Returns the number of doublings.

    Raises:
      InputError: if this is no image, or its base maps would have no pixel.
    """
    is_image = len(image_shape) == 3 and min(image_shape) > 0
    if is_image and num_upsamplings is None:
        num_upsamplings = sides.num_halvings(image_shape)
    num = num_upsamplings or 0
    if not is_image or not 0 < num <= math.log2(min(image_shape[:2])):
        raise InputError(
            f"image_shape {tuple(image_shape)} with num_upsamplings {num_upsamplings}: give "
            "(height, width, channels), and from 1 doubling to as many as the smaller side can be "
            "halved, or None"
        )
    return num
