"""A small pin of each method. Add a new method here, and delete a method that no longer exists."""

import keras

from tf_shortrun.cli import config

SMALL_PINS = {
    "short_run": "reproduce/digits.gin",
    "abp": "reproduce/abp_digits.gin",
    "vae": "reproduce/vae_digits.gin",
    "ladder_vae": "reproduce/ladder_vae_digits.gin",
    "rae": "reproduce/rae_digits.gin",
    "two_stage_vae": "reproduce/two_stage_vae_digits.gin",
    "glo": "reproduce/glo_digits.gin",
    "lebm": "reproduce/lebm_digits.gin",
    "particles": "reproduce/particles_digits.gin",
    "lebm_particles": "reproduce/lebm_particles_digits.gin",
    "walkback": "reproduce/walkback_digits.gin",
    "gsn": "reproduce/gsn_spiral.gin",
    "max_entropy": "reproduce/max_entropy_25gaussians.gin",
    "wgan_gp": "reproduce/wgan_gp_25gaussians.gin",
    "binary_latent": "reproduce/binary_latent_digits.gin",
}
# A learner of another class that is a variant of its method.
VARIANTS = {"calibrated": "reproduce/max_entropy_25gaussians_calibrated.gin"}
# With these settings a few updates reach the last stage.
SHORT = {"binary_latent": ["NUM_CODE_STEPS = 5", "NUM_PRIOR_STEPS = 5"]}
TWO_STAGES = ("rae", "two_stage_vae", "glo", "particles", "calibrated")
SHORT |= {method: ["NUM_FIRST_STEPS = 10"] for method in TWO_STAGES}
# The smallest generators that these tests need: two layers if there are several, few features.
_CHAINS = ("short_run", "abp", "lebm", "particles", "lebm_particles")
_IMAGES = (*_CHAINS, "vae", "ladder_vae", "rae", "two_stage_vae", "glo")
SMALL = {method: ["FEATURES = 8"] for method in _IMAGES}
for _method in ("short_run", "abp", "ladder_vae"):
    SMALL[_method] += ["top_down.TopDownGenerator.latent_widths = (4, 4)"]
for _method in _CHAINS:
    SMALL[_method] += ["short_run.ShortRun.num_steps = 3"]
for _method in ("particles", "lebm_particles"):
    SMALL[_method] += ["NUM_PARTICLES = 3"]
SMALL["particles"] += ["mixture.GaussianMixture.num_components = 5"]
SMALL["walkback"] = ["networks.dense.units = (64, 64)"]
# If a unit is equal for all examples of a small batch, the gradient of its bias is a rounding
# error, and Adam turns it into a full step. The same happens if the standard deviation of a layer
# is clipped. A larger epsilon prevents this.
STEADY = {
    method: ["keras.optimizers.Adam.epsilon = 1e-4"]
    for method in (
        *("wgan_gp", "max_entropy", "calibrated", "vae", "ladder_vae", "rae", "two_stage_vae"),
        *("lebm", "lebm_particles"),
    )
}
# Evals and pictures of few samples and few steps.
_DISTANCES = ["quality.FeatureDistances.num_samples = 100", "classifier.classifier.num_steps = 5"]
_PLANE = ["plane.PlaneSamples.num_samples = 100", "scatter.SamplesInPlane.num = 50"]
_IMPORTANCE = [
    "likelihood.ImportanceSampling.num_images = 20",
    "likelihood.ImportanceSampling.num_samples = 2",
]
JUDGED = {m: [*_DISTANCES, "reconstruction.Reconstruction.num_images = 20"] for m in _IMAGES}
for _method in _IMAGES:
    JUDGED[_method] += ["experiment.Experiment.pictures = [@grids.SampleGrid()]"]
for _method in (*_CHAINS, "glo"):
    JUDGED[_method] += ["reconstruction.Reconstruction.times = (1,)"]
JUDGED["walkback"] = [*_DISTANCES, *_IMPORTANCE, "inpainting.Inpainting.num_images = 20"]
JUDGED["gsn"] = [*_PLANE, "plane.PlaneSamples.extra_steps = (2,)", "walk_strips.WalkStrips.num = 5"]
JUDGED |= {
    m: [*_PLANE, "synthetic.gaussians_grid.num_train = 2000"] for m in ("max_entropy", "wgan_gp")
}
JUDGED["binary_latent"] = [
    *_IMPORTANCE,
    "partition.Annealing.num_chains = 10",
    "partition.Annealing.num_steps = 10",
    "trace/partition.Annealing.num_steps = 10",
    "binary_latent.BinaryLatent.num_sample_sweeps = 4",
    "codes.GibbsStrips.num_sweeps = 10",
]


def bindings(method, stages=SHORT):
    """Returns the settings that make the pin of a method small."""
    return [*SMALL.get(method, []), *STEADY.get(method, []), *stages.get(method, [])]


def build(method, strategy, *more, stages=SHORT):
    """Returns the small experiment of a method and its learner, named as in a new process.

    The order in which TensorFlow adds the parts of a gradient, and so its bits, depends on names.
    """
    experiment = config.load([(SMALL_PINS | VARIANTS)[method]], [*bindings(method, stages), *more])
    keras.utils.clear_session(free_memory=False)
    return experiment, experiment.build(strategy)
