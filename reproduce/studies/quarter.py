"""Compares chains of five steps with the released 25, three layers on MNIST and Fashion-MNIST.

    k25          25 steps of the released size from the prior
    k5           five steps of five times that size from the prior
    k5_warm      five steps of the released size from a small network that follows their ends
    k5_score     the same with a step size for each layer, learned by the energy score
    k5_capped    the same, cut to s lambda <= 1 at every choice

Every chain has bounded moves, the start is no wider than the prior, and outputs start at the mean
colour. See docs/notes/step_size.md.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020 (K = 25); no figure of these data is known.
Configuration: the network of the other studies, 16 features, 200 updates of 50 images; likelihoods
  by annealing of 20 test images.
Hardware: two CPU cores, about two hours
Command: python -m tools.study reproduce/studies/quarter.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

JUDGED = "gin/study/quarter.gin"
FIVE = (
    "short_run.ShortRun.num_steps = 5",
    "short_run.ShortRun.step_size = 0.00625",
    "short_run.ShortRun.longest_move = 0.5",  # as far in all as with 25 steps
)
WARM = ("gin/study/warm.gin",)
SCORE = (*WARM, "gin/study/quarter_learned.gin")
CHAINS = {
    "k25": (),
    "k5": FIVE,
    "k5_warm": WARM,
    "k5_score": SCORE,
    "k5_capped": (*SCORE, "step_size.Descent.limit = 1.0"),
}
DATA = ("mnist", "fashion_mnist")


def claims(dataset: str):
    """Yields that warm chains of five beat 25 and five from the prior, by error and likelihood."""
    for chain in ("k5_warm", "k5_score"):
        for other in ("k25", "k5"):
            arms = (f"short_run_{dataset}_quarter_{name}" for name in (chain, other))
            pair = " < ".join(arms)
            yield f"mse: {pair}"
            yield f"log_likelihood/ais: {pair}"


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
