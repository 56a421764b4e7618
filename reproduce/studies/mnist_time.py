"""Repeats mnist.py at equal time of training.

Encoders take as many updates as the seconds of the chains allow; short chains from a learned
proposal, at a quarter of the cost, take four times as many.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020; no figure of MNIST is known.
Hardware: two CPU cores, about half an hour
Command: python -m tools.study reproduce/studies/mnist_time.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

WARM = "gin/study/warm.gin"
LONGER_CHANGES = {3: ("NUM_WARM_UP_STEPS = 900", "NUM_STEPS = 1800"), 1: ("NUM_STEPS = 3000",)}
THREE, WARM_THREE = "short_run_mnist_layers3", "short_run_mnist_layers3_warm"
VAE = "vae_mnist_layers1_longer"

STUDY = Study(
    title="MNIST, equal time",
    seeds=(1, 2, 3),
    arms=dict(
        [
            arm("short_run", "mnist", 3),
            arm("short_run", "mnist", 3, WARM, "NUM_STEPS = 800", variant="layers3_warm"),
            arm("short_run", "mnist", 1, WARM, "NUM_STEPS = 1600", variant="layers1_warm"),
            arm("ladder_vae", "mnist", 3, *LONGER_CHANGES[3], variant="layers3_longer"),
            arm("vae", "mnist", 1, *LONGER_CHANGES[1], variant="layers1_longer"),
        ]
    ),
    shown=("chain_mse_noiseless@1K",),
    claims=(
        f"mse: {THREE} < {VAE}",
        f"mse: {WARM_THREE} < {VAE}",
        f"frechet/mnist_classifier: {WARM_THREE} < {VAE}",
    ),
)
