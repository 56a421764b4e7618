"""Finds the learning rate of every method of four studies, on validation images.

The studies are mnist.py, mnist_relatives.py, fashion_mnist.py and cifar10.py. Every method has the
same four rates, the same seed, which no other study has, and the updates of those studies. The rate
with the lowest error on 1,000 training images that nobody learned from is taken. Latent
optimisation has its four runs for the step of its latents, which published implementations have ten
times the generator's rate.

Paper: none; the published rates are for runs hundreds of times as long.
Configuration: as those studies but for the rate.
Hardware: two CPU cores, about fifty minutes
Command: python -m tools.study reproduce/studies/tuning.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

RATES = {"rate1": "1e-3", "rate3": "3e-3", "rate6": "6e-3", "rate10": "1e-2"}
STEPS = {"step1": "0.001", "step3": "0.003", "step10": "0.01", "step30": "0.03"}
TUNING = "gin/study/tuning.gin"
DATA = {
    "mnist": (TUNING,),
    "fashion_mnist": (
        TUNING,
        "tfds_images.tfds_images.name = 'fashion_mnist'",
        "NUM_UPSAMPLINGS = 2",
        "tfds_images.tfds_images.num_train = 59000",
    ),
    "cifar10": (
        TUNING,
        "tfds_images.tfds_images.name = 'cifar10'",
        "NUM_UPSAMPLINGS = 2",
        "tfds_images.tfds_images.num_train = 49000",
        "IMAGE_SHAPE = (32, 32, 3)",
    ),
}
EXAMPLES = "NUM_EXAMPLES = 3000"
TWO_STAGES = (
    "NUM_LATENTS = 48",
    "NUM_FIRST_STEPS = 200",
    "experiment.Experiment.num_steps = 600",
)
METHODS = [  # data set, method, layers, what the method needs besides
    ("mnist", "short_run", 3),
    ("mnist", "short_run", 1),
    ("mnist", "abp", 3, EXAMPLES),
    ("mnist", "ladder_vae", 3, "NUM_WARM_UP_STEPS = 100"),
    ("mnist", "vae", 1),
    ("mnist", "two_stage_vae", 1, *TWO_STAGES),
    ("mnist", "rae", 1, *TWO_STAGES, "PRIOR_WEIGHT = 0.29", "DECAY = 0.014"),
    ("mnist", "lebm", 1, "energy/keras.optimizers.Adam.learning_rate = 1e-3"),
    ("mnist", "glo", 1, *TWO_STAGES, EXAMPLES),
    *(
        (dataset, method, layers)
        for dataset in ("fashion_mnist", "cifar10")
        for method, layers in (("short_run", 3), ("short_run", 1), ("vae", 1))
    ),
]


def tuned(method: str) -> tuple[str, dict[str, str]]:
    """Returns the binding that is tuned, and its values by name."""
    if method == "glo":
        return "latent_table.LatentTable.step_size", STEPS
    return "LEARNING_RATE", RATES


def tried(dataset: str, method: str, layers: int, *needs: str):
    """Yields the four arms of a method, one for each rate or step of latents."""
    binding, values = tuned(method)
    for name, value in values.items():
        variant = f"layers{layers}_{name}"
        change = f"{binding} = {value}"
        yield arm(method, dataset, layers, *needs, change, variant=variant, data=DATA[dataset])


STUDY = Study(
    title="The rate of each method, on validation images",
    seeds=(101,),
    arms=dict(one for method in METHODS for one in tried(*method)),
    shown=("mse",),
)
