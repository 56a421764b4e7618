"""Compares chains of five steps with the released 25, three layers on MNIST and Fashion-MNIST.

The chains of five start from a small network that follows their ends, no wider than the prior, and
have a step size for each layer, learned by the energy score within the range where steps are
stable. The third arm has five steps and neither: the released size times five, from the prior.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020 (K = 25); no figure of these data is known.
Configuration: the network of the other studies, 16 features, 200 updates of 50 images, outputs that
  start at the mean colour, bounded moves; likelihoods by annealing of 50 test images.
Hardware: two CPU cores, about half an hour
Command: python -m tools.study reproduce/studies/quarter.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

JUDGED = "gin/study/quarter.gin"
SHORT = (
    "short_run.ShortRun.num_steps = 5",
    "short_run.ShortRun.step_size = 0.00625",
    "short_run.ShortRun.longest_move = 0.5",
)
CHAINS = {"k25": (), "k5": SHORT, "k5_learned": ("gin/study/quarter_learned.gin",)}
DATA = ("mnist", "fashion_mnist")


def claims(dataset: str):
    """Yields that learned chains of five beat both others, by error and likelihood."""
    learned, long, short = (
        f"short_run_{dataset}_quarter_{chain}" for chain in ("k5_learned", "k25", "k5")
    )
    for other in (long, short):
        yield f"mse: {learned} < {other}"
        yield f"log_likelihood/ais: {learned} < {other}"


STUDY = Study(
    title="A fifth of the steps",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(
        arm("short_run", dataset, 3, JUDGED, *changes, variant=f"quarter_{chain}")
        for dataset in DATA
        for chain, changes in CHAINS.items()
    ),
    shown=("mse", "log_likelihood/ais", "seconds_per_step", "step_sharpness/end"),
    claims=tuple(claim for dataset in DATA for claim in claims(dataset)),
)
