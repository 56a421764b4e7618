"""Compares 1, 3 and 10 particles an image with short-run inference and a VAE on MNIST.

All have as many passes through one generator, forward and backward, as 400 updates of short run
with K = 25: 2 K + 3 an image and update, 5 N for N particles, 3 for the VAE. Samples come from the
prior, and for ten particles also from a mixture that is fitted to them. Each particle is visited
20 times with N = 10, 70 times with N = 3, 210 times with N = 1. The rate of all is too high for the
VAE, which diverges after 306 to 1,108 updates: it may go back, with half the rate.

Paper: Kuntz, Lim, Johansen, AISTATS 2023; no figure of MNIST in this protocol is known.
Configuration: as mnist.py with 1,000 training images; step and sigma of short run as released;
distance from the posterior on 10 images, since most of the time of a run would be in it.
Hardware: two CPU cores, about an hour and a half
Command: python -m tools.study reproduce/studies/particles.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

DATA = (
    "gin/study/mnist.gin",
    "gin/study/likelihood.gin",
    "tfds_images.tfds_images.num_train = 1000",
)
FEW = ("posterior.PosteriorDistance.num_images = 10", "posterior.PosteriorDistance.batch_size = 10")
NUM_SHORT_RUN, PASSES = 400, 2 * 25 + 3
UPDATES = {n: NUM_SHORT_RUN * PASSES // (5 * n) for n in (1, 3, 10)}
MIXTURE = (
    "gin/latent/particles_mixture.gin",
    "NUM_LATENTS = 48",
    f"NUM_FIRST_STEPS = {UPDATES[10]}",
    f"experiment.Experiment.num_steps = {UPDATES[10] + 400}",
    # With a mixture as prior there is no density.
    "experiment.Experiment.evals ="
    " [@reconstruction.Reconstruction(), @quality.FeatureDistances(), @cost.Cost()]",
)
ONE, TEN = "particles_mnist_n1", "particles_mnist_n10"
SHORT_RUN, VAE = "short_run_mnist_equal_passes", "vae_mnist_equal_passes"
FRECHET = "frechet/mnist_classifier"


def equal(method: str, num_steps: int, *changes: str, variant: str = "equal_passes"):
    """Returns the name and the settings of an arm with one layer and `num_steps` updates."""
    steps = f"NUM_STEPS = {num_steps}"
    return arm(method, "mnist", 1, steps, *changes, variant=variant, data=DATA)


def cloud(num: int, *changes: str, variant: str = ""):
    """Returns the name and the settings of an arm with `num` particles an image."""
    numbers = (f"NUM_PARTICLES = {num}", "NUM_EXAMPLES = 1000")
    return equal("particles", UPDATES[num], *numbers, *changes, variant=variant or f"n{num}")


STUDY = Study(
    title="MNIST, particles at equal passes of the generator",
    seeds=(1, 2, 3),
    arms=dict(
        [
            *(cloud(num, *FEW) for num in UPDATES),
            cloud(10, *MIXTURE, variant="n10_mixture"),
            equal("short_run", NUM_SHORT_RUN, *FEW),
            equal(
                *("vae", NUM_SHORT_RUN * PASSES // 3, *FEW),
                "experiment.Experiment.max_rollbacks = 3",
            ),
        ]
    ),
    shown=(
        *("mse", FRECHET, "log_likelihood/ais"),
        *("posterior_energy_distance", "hmc_rhat", "posterior_stein"),
    ),
    claims=(
        f"log_likelihood/ais: {TEN} < {ONE}",
        f"log_likelihood/ais: {TEN} < {SHORT_RUN}",
        f"log_likelihood/ais: {TEN} < {VAE}",
        f"mse: {TEN} < {VAE}",
        f"{FRECHET}: {TEN}_mixture < {TEN}",
    ),
)
