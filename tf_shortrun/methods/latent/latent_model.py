"""The model for inference: a joint density of Gaussian noise and an observation.

    eps_l ~ N(0, I_{d_l}),  l = L..1          prior, in noise space
    x     ~ N(g(eps_L, ..., eps_1), sigma^2 I)  likelihood

All dependence of one latent on another is inside g. The prior of every layer is therefore
N(0, I), and an L-layer model is a one-layer model with latent N(0, I_d), d = sum_l d_l
(Nijkamp et al. 2020, released code).

References: E. Nijkamp, B. Pang, T. Han, L. Zhou, S.-C. Zhu, Y. N. Wu, Learning
multi-layer latent variable model via variational optimization of short run MCMC
for approximate inference, ECCV 2020.
"""

import abc
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core import nest, noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.methods.latent.decoder_layers import check_layers
from tf_shortrun.methods.latent.label_codes import LabelCodes


class LatentModel(keras.Model, abc.ABC):
    """An abstract model: a subclass defines `log_prior` and `call` (g), and calls `_finish()` last.

    Args:
      latent_widths: d_L, ..., d_1, top to bottom.
      sigma: standard deviation of the observation, on the scale of [-1, 1]. The non-trainable
        variable `sigma` holds it, so that a learner can schedule or learn it.
    """

    def __init__(self, latent_widths: Sequence[int], sigma: float):
        super().__init__(dtype="float32")  # parts of it may compute in lower precision
        if not latent_widths or min(latent_widths) < 1:
            raise InputError(f"latent_widths is {latent_widths}: give one positive width per layer")
        check_most(latent_widths=max(latent_widths))
        if not sigma > 0:
            raise InputError(f"sigma is {sigma}: choose a positive standard deviation")
        self.latent_widths = list(latent_widths)
        self._observe: Callable | None = None  # latents -> p(x | latents), if it is not normal
        self.label_codes: LabelCodes | None = None
        self.sigma = self.add_weight(
            name="sigma",
            shape=(),
            initializer=keras.initializers.Constant(sigma),
            trainable=False,
            aggregation="only_first_replica",
        )

    @abc.abstractmethod
    def call(self, latents: Latents) -> tf.Tensor:
        """Returns g, the mean image: [B, H, W, C]."""

    @abc.abstractmethod
    def log_prior(self, latents: Latents) -> tf.Tensor:
        """Returns log p(latents), in some models up to a constant: [B], nats."""

    def _finish(self):
        """Builds every layer and stores the shape of an observation in `image_shape`."""
        self.image_shape = list(self(self._zeros()).shape[1:])

    def _zeros(self) -> Latents:
        return [tf.zeros([1, width]) for width in self.latent_widths]

    def sample_latents(self, num, seed: Seed, labels: tf.Tensor | None = None) -> Latents:
        """Returns `num` draws from the prior: [num, d_l] for each layer.

        Those of a model with `label_codes` are given `labels`, int32 [num], -1 for any.
        """
        latents = nest.normal_like([tf.zeros([num, width]) for width in self.latent_widths], seed)
        if self.label_codes is None:
            return latents
        labels = tf.fill([num], -1) if labels is None else labels
        return self.label_codes.add(latents, labels, noise.stream(seed, "labels"))

    def start_of(self, batch: Batch, seed: Seed) -> Latents:
        """Returns a draw from the prior for each example."""
        return self.sample_latents(tf.shape(batch["image"])[0], seed, batch.get("label"))

    def normal_sigma(self) -> tf.Tensor:
        """Returns sigma. Raises InputError if p(x | latents) is not N(g, sigma^2 I)."""
        if self._observe:
            raise InputError("this needs a normal observation: give the Decoder a sigma")
        return self.sigma

    def likelihood(self, latents: Latents) -> tfd.Distribution:
        """Returns p(x | latents): batch shape [B], event shape that of an observation."""
        if self._observe:
            return self._observe(latents)
        mean = self(latents)
        return tfd.Independent(
            tfd.Normal(mean, self.sigma), reinterpreted_batch_ndims=len(mean.shape) - 1
        )

    def log_joint(self, latents: Latents, x: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log p(x, latents) = log_prior + log N(x; g, sigma^2 I): [B], nats.

        It has the constant of `log_prior`, if any.

        Args:
          mask: bool, [B, H, W, 1] or as x, True where x was observed: the likelihood sums over
            these pixels only, and the values of x elsewhere have no effect.
        """
        if mask is None:
            return self.log_prior(latents) + self.likelihood(latents).log_prob(x)
        pixels = self._each_pixel(latents).log_prob(tf.where(mask, x, 0.0))
        seen = tf.where(mask, pixels, 0.0)
        return self.log_prior(latents) + tf.reduce_sum(seen, axis=list(range(1, seen.shape.rank)))

    def _each_pixel(self, latents: Latents) -> tfd.Distribution:
        likelihood = self.likelihood(latents)
        if not hasattr(likelihood, "reinterpreted_batch_ndims"):  # a tfd.Independent
            raise InputError("pixels of this observation depend on each other: none can be hidden")
        return likelihood.distribution

    def log_joint_of(self, batch: Batch) -> Callable[[Latents], tf.Tensor]:
        """Returns `log_joint` as a function of the latents; its labels count if there are codes."""

        def log_joint(latents: Latents) -> tf.Tensor:
            value = self.log_joint(latents, batch["image"], batch.get("mask"))
            if self.label_codes is None or "label" not in batch:
                return value
            return value + self.label_codes.log_label_of(latents[0], batch["label"])

        return log_joint


class NormalPriorModel(LatentModel, abc.ABC):
    """An abstract model with normalised densities: N(0, I) on every layer, or `label_codes`."""

    @property
    def prior(self) -> list[tfd.Distribution]:
        """The distribution of each latent layer in noise space, top to bottom."""
        prior = [tfd.Sample(tfd.Normal(0.0, 1.0), width) for width in self.latent_widths]
        if self.label_codes is not None:
            prior[0] = self.label_codes.prior(self.latent_widths[0])
        return prior

    def log_prior(self, latents: Latents) -> tf.Tensor:
        """Returns sum_l log p(z_l): [B], nats."""
        return tf.add_n([p.log_prob(z) for p, z in zip(self.prior, latents, strict=True)])


@keras.saving.register_keras_serializable("tf_shortrun")
class Decoder(NormalPriorModel):
    """A model with any Keras network: it makes inference possible for your decoder.

    Args:
      network: maps z [B, d] to observations; with several layers, the list [z_L, ..., z_1]. No
        layer may behave otherwise in training, see `decoder_layers.py`.
      sigma: standard deviation of the observation around the outputs; None with `observation`.
      observation: another p(x | z): a function from outputs of the network to a distribution with
        `log_prob` [B] and `mean`, e.g. `signs` or a `LogisticMixture` of `networks/observation.py`.
    """

    def __init__(
        self,
        network: keras.Model,
        latent_widths: Sequence[int],
        sigma: float | None = None,
        observation: Callable | None = None,
    ):
        if (sigma is None) == (observation is None):
            raise InputError("give a Decoder either sigma or an observation")
        super().__init__(latent_widths, 1.0 if sigma is None else sigma)
        self.network, self._observation = network, observation
        if observation:
            self._observe = lambda latents: observation(self._outputs(latents))
            self._observe(self._zeros())  # Keras would wrap its errors
        self._finish()
        check_layers(network)

    def call(self, latents: Latents) -> tf.Tensor:
        return self._observe(latents).mean() if self._observe else self._outputs(latents)

    def get_config(self) -> dict:
        """Returns what `keras.saving` needs to make it again; weights are saved with it."""
        parts = {
            "network": self.network,
            "latent_widths": self.latent_widths,
            "sigma": None if self._observation else float(self.sigma),
            "observation": self._observation,
        }
        return {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}

    @classmethod
    def from_config(cls, config: dict) -> "Decoder":
        parts = {name: keras.saving.deserialize_keras_object(part) for name, part in config.items()}
        return cls(**parts)

    def _outputs(self, latents: Latents) -> tf.Tensor:
        outputs = self.network(latents if len(latents) > 1 else latents[0])
        return tf.cast(outputs, tf.float32)  # the network may compute in lower precision
