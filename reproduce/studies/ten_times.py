"""Compares short-run inference and its rivals after 2,000 updates, each method at its own rate.

Short-run inference is there with the released sigma and step as they are, and steady
(gin/latent/steady.gin); the rivals are a VAE, a ladder VAE, a two-stage VAE and a latent energy
prior. All have one generator and one budget.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020, and the papers of the methods.
Configuration: the released network with 16 features on a 7 x 7 or 8 x 8 base, 48 latents in all;
  K = 25; 10,000 training images, of CelebA 9,000, at 32 x 32; batches of 20. Rates
  by ten_times_rates.py: the two-stage VAE has that of the VAE, whose errors are its own, and CelebA
  those of CIFAR-10.
Hardware: two CPU cores, about eight hours
Command: python -m tools.study reproduce/studies/ten_times.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

TRAIN = "tfds_images.tfds_images.num_train = 10000"
SMALL = ("folder.folder.size = 32", "IMAGE_SHAPE = (32, 32, 3)")
BUDGET = {"mnist": "ten_times", "fashion_mnist": "ten_times", "cifar10": "ten_times_inception"}
DATA = {
    name: (f"gin/study/{name}.gin", f"gin/study/{budget}.gin", TRAIN)
    for name, budget in BUDGET.items()
} | {"celeba": ("gin/study/celeba.gin", "gin/study/ten_times_inception.gin", *SMALL)}
CLASSIFIER = {"celeba": "celeba_rotation_classifier"}
STEADY = "gin/latent/steady.gin"
MEND = (
    "top_down.TopDownGenerator.starts_at_mean = True",
    "experiment.Experiment.max_rollbacks = 3",
)
TWO_STAGES = (
    "NUM_LATENTS = 48",
    "NUM_FIRST_STEPS = 2000",
    "experiment.Experiment.num_steps = 6000",
)
METHODS = {  # method, layers, end of the variant -> what the method needs besides
    ("short_run", 3, ""): (),
    ("short_run", 3, "_steady"): (STEADY,),
    ("short_run", 1, ""): (),
    ("short_run", 1, "_steady"): (STEADY,),
    ("vae", 1, ""): MEND,
    ("ladder_vae", 3, ""): (*MEND, "NUM_WARM_UP_STEPS = 400"),
    ("two_stage_vae", 1, ""): (*MEND, *TWO_STAGES),
    ("lebm", 1, ""): (STEADY, "energy/keras.optimizers.Adam.learning_rate = 1e-3"),
}
RATES: dict[
    tuple[str, str, str], str
] = {}  # data set, method, end of the variant -> rate, if not 3e-3


def arms(dataset: str):
    """Yields the arm of every method on a data set."""
    for (method, layers, kind), needs in METHODS.items():
        chosen_on = "cifar10" if dataset == "celeba" else dataset
        learner = "vae" if method == "two_stage_vae" else method
        rate = f"LEARNING_RATE = {RATES.get((chosen_on, learner, f'{layers}{kind}'), '3e-3')}"
        variant = f"layers{layers}_2000{kind}"
        yield arm(method, dataset, layers, *needs, rate, variant=variant, data=DATA[dataset])


def claims(dataset: str):
    """Yields claims of errors and distances, of three layers against one and against the VAE."""
    three, one = (f"short_run_{dataset}_layers{n}_2000_steady" for n in (3, 1))
    vae, ladder = f"vae_{dataset}_layers1_2000", f"ladder_vae_{dataset}_layers3_2000"
    classifier = CLASSIFIER.get(dataset, f"{dataset}_classifier")
    for metric in ("mse", f"frechet/{classifier}"):
        for worse in (one, vae, ladder):
            yield f"{metric}: {three} < {worse}"
        yield f"{metric}: {three} < {three.removesuffix('_steady')}"


STUDY = Study(
    title="2,000 updates, each method at its own rate",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(one for dataset in DATA for one in arms(dataset)),
    claims=tuple(claim for dataset in DATA for claim in claims(dataset)),
)
