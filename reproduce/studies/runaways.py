"""Counts runs whose latents run away, with the released chain and with a bound on its moves.

The warm start is limited in its width besides.

The cases are the runs on record that broke: five layers; a warm start with K = 5; CelebA 64 x 64 at
the published step size and sigma; three layers at twice the rate; 128 x 128 images of one's own; no
noise. See reproduce/what_breaks.md.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020 (the chain as released).
Configuration: the network of the other studies, 16 features; 200 updates.
Hardware: two CPU cores, about an hour
Command: python -m tools.study reproduce/studies/runaways.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

LAYERS5 = "top_down.TopDownGenerator.latent_widths = (9, 9, 10, 10, 10)"
SIDE128 = (
    "IMAGE_SHAPE = (128, 128, 3)",
    "NUM_UPSAMPLINGS = 4",
    "folder.folder.size = 128",
    "experiment.Experiment.batch_size = 8",
)
CASES = {  # by variant: data set, settings
    "layers5": ("fashion_mnist", (LAYERS5,)),
    "warm": ("fashion_mnist", ("gin/study/warm.gin",)),
    "published": ("celeba", ("experiment.Experiment.batch_size = 16",)),
    "rate6": ("fashion_mnist", ("LEARNING_RATE = 6e-3",)),
    "side128": ("celeba", SIDE128),
    "no_noise": ("fashion_mnist", ("short_run.ShortRun.noise_scale = 0.0",)),
}
RULES = {"released": (), "bound": ("short_run.ShortRun.longest_move = 0.1",)}
WIDE = "start.Amortized.is_narrow = False"
WATCHED = "gin/study/watched.gin"


def changes(case: str, rule: str) -> tuple[str, ...]:
    """Returns the settings of a rule; a warm start without it may be as wide as it likes."""
    return RULES[rule] if (case, rule) != ("warm", "released") else (WIDE,)


STUDY = Study(
    title="Latents that run away, before and after",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(
        arm(
            "short_run", data, 3, WATCHED, *settings, *changes(case, rule), variant=f"{case}_{rule}"
        )
        for case, (data, settings) in CASES.items()
        for rule in RULES
    ),
    shown=("latent_norm_worst", "step_sharpness/start", "step_sharpness/end"),
    claims=tuple(
        f"mse: short_run_{data}_{case}_bound < short_run_{data}_{case}_released"
        for case, (data, _) in CASES.items()
    ),
)
