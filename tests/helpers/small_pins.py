"""A small pin of each method. Add a new method here, and delete a method that no longer exists."""

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
    "walkback": "reproduce/walkback_digits.gin",
    "gsn": "reproduce/gsn_spiral.gin",
    "max_entropy": "reproduce/max_entropy_25gaussians.gin",
    "wgan_gp": "reproduce/wgan_gp_25gaussians.gin",
    "binary_latent": "reproduce/binary_latent_digits.gin",
}
# With these settings a few updates reach the last stage.
SHORT = {"binary_latent": ["NUM_CODE_STEPS = 5", "NUM_PRIOR_STEPS = 5"]}
SHORT |= {method: ["NUM_FIRST_STEPS = 10"] for method in ("rae", "two_stage_vae", "glo")}
# The smallest generators that these tests need: two layers if there are several, few features.
SMALL = {
    method: ["FEATURES = 8"]
    for method in ("short_run", "abp", "vae", "ladder_vae", "rae", "two_stage_vae", "glo", "lebm")
}
for _method in ("short_run", "abp", "ladder_vae"):
    SMALL[_method] += ["top_down.TopDownGenerator.latent_widths = (4, 4)"]
for _method in ("short_run", "abp", "lebm"):
    SMALL[_method] += ["short_run.ShortRun.num_steps = 3"]
SMALL["walkback"] = ["networks.dense.units = (64, 64)"]
# If a unit is equal for all examples of a small batch, the gradient of its bias is a rounding
# error, and Adam turns it into a full step. The same happens if the standard deviation of a layer
# is clipped. A larger epsilon prevents this.
STEADY = {
    method: ["keras.optimizers.Adam.epsilon = 1e-4"]
    for method in ("wgan_gp", "max_entropy", "vae", "ladder_vae", "rae", "two_stage_vae", "lebm")
}


def build(method, strategy, *bindings, stages=SHORT):
    small = [*SMALL.get(method, []), *STEADY.get(method, []), *stages.get(method, []), *bindings]
    experiment = config.load([SMALL_PINS[method]], small)
    return experiment, experiment.build(strategy)
