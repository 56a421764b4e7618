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

WATCHED = "gin/study/watched.gin"
LAYERS5 = "top_down.TopDownGenerator.latent_widths = (9, 9, 10, 10, 10)"
FASHION = ("gin/study/fashion_mnist.gin", WATCHED)
CELEBA = ("gin/study/celeba.gin", WATCHED)
CASES = {  # by variant: data set, its settings, what else the case is
    "layers5": ("fashion_mnist", FASHION, (LAYERS5,)),
    "warm": ("fashion_mnist", FASHION, ("gin/study/warm.gin",)),
    "published": ("celeba", CELEBA, ("experiment.Experiment.batch_size = 16",)),
    "rate6": ("fashion_mnist", FASHION, ("LEARNING_RATE = 6e-3",)),
    "side128": ("celeba", ("gin/study/side128.gin",), ()),
    "no_noise": ("fashion_mnist", FASHION, ("short_run.ShortRun.noise_scale = 0.0",)),
}
RULES = {"released": (), "bound": ("short_run.ShortRun.longest_move = 0.1",)}
WIDE = "start.Amortized.is_narrow = False"


def changes(case: str, rule: str) -> tuple[str, ...]:
    """Returns the settings of a rule; a warm start without it may be as wide as it likes."""
    return RULES[rule] if (case, rule) != ("warm", "released") else (WIDE,)


STUDY = Study(
    title="Latents that run away, before and after",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(
        arm("short_run", name, 3, *more, *changes(case, rule), variant=f"{case}_{rule}", data=data)
        for case, (name, data, more) in CASES.items()
        for rule in RULES
    ),
    shown=("latent_norm_worst", "step_sharpness/start", "step_sharpness/end"),
    claims=tuple(
        f"mse: short_run_{name}_{case}_bound < short_run_{name}_{case}_released"
        for case, (name, *_) in CASES.items()
    ),
)
