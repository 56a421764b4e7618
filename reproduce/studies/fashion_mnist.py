"""Compares short-run inference with three layers and with one, and a VAE, on Fashion-MNIST.

All have one generator and one budget.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020. No figure of it is known.
Configuration: the released network with 16 features on a 7 x 7 base, 48 latents in all; K = 25,
  step and sigma as released.
Hardware: two CPU cores, about a quarter of an hour
Command: python -m tools.study reproduce/studies/fashion_mnist.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

THREE, ONE = "short_run_fashion_mnist_layers3", "short_run_fashion_mnist_layers1"
VAE = "vae_fashion_mnist_layers1"
ONE_TUNED, VAE_TUNED = (
    f"{ONE}_tuned",
    f"{VAE}_tuned",
)  # rates by tuning.py; three layers have theirs
FRECHET = "frechet/fashion_mnist_classifier"

STUDY = Study(
    title="Fashion-MNIST, equal updates",
    seeds=(1, 2, 3),
    arms=dict(
        [
            arm("short_run", "fashion_mnist", 3),
            arm("short_run", "fashion_mnist", 1),
            arm("vae", "fashion_mnist", 1),
            arm("short_run", "fashion_mnist", 1, "LEARNING_RATE = 1e-2", variant="layers1_tuned"),
            arm("vae", "fashion_mnist", 1, "LEARNING_RATE = 6e-3", variant="layers1_tuned"),
        ]
    ),
    shown=("chain_mse_noiseless@1K",),
    claims=(
        f"mse: {THREE} < {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE} < {VAE}",
        # And its parts, since a chain of three hides which of them holds.
        f"mse: {THREE} < {ONE}",
        f"mse: {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE}",
        f"{FRECHET}: {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {VAE}",
        # Each method at its own rate.
        f"mse: {THREE} < {ONE_TUNED}",
        f"mse: {ONE_TUNED} < {VAE_TUNED}",
        f"{FRECHET}: {THREE} < {ONE_TUNED}",
        f"{FRECHET}: {ONE_TUNED} < {VAE_TUNED}",
        f"{FRECHET}: {THREE} < {VAE_TUNED}",
    ),
)
