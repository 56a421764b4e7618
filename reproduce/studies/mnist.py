"""Compares short-run inference with one and three layers and its rivals on MNIST, five seeds each.

The rivals are a VAE, a ladder VAE and alternating back-propagation. All have one generator and one
budget.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020, and the papers of the methods; no figure of
  MNIST is known.
Configuration: the released network with 16 features on its 14 x 14 base, 48 latents in all; K = 25,
  step and sigma as released.
Hardware: two CPU cores, about an hour
Command: python -m tools.study reproduce/studies/mnist.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

EXAMPLES = "NUM_EXAMPLES = 3000"
TWICE_THE_RATE = "LEARNING_RATE = 6e-3"  # chosen by tuning.py; the other methods have theirs
THREE, ONE, VAE = "short_run_mnist_layers3", "short_run_mnist_layers1", "vae_mnist_layers1"
ONE_TUNED = f"{ONE}_tuned"
FRECHET = "frechet/mnist_classifier"

STUDY = Study(
    title="MNIST, equal updates",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(
        [
            arm("short_run", "mnist", 3),
            arm("short_run", "mnist", 1),
            arm("short_run", "mnist", 1, TWICE_THE_RATE, variant="layers1_tuned"),
            arm("abp", "mnist", 3, EXAMPLES),
            arm("abp", "mnist", 3, EXAMPLES, TWICE_THE_RATE, variant="layers3_tuned"),
            arm("ladder_vae", "mnist", 3, "NUM_WARM_UP_STEPS = 100"),
            arm("vae", "mnist", 1),
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
        f"mse: {ONE_TUNED} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE_TUNED}",
        f"{FRECHET}: {ONE_TUNED} < {VAE}",
    ),
)
