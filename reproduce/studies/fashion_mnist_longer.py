"""Repeats fashion_mnist.py with 600 updates, three times as many.

The question is whether differences that seeds hide at 200 updates come out.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020. No figure of it is known.
Configuration: as fashion_mnist.py.
Hardware: two CPU cores, about a quarter of an hour
Command: python -m tools.study reproduce/studies/fashion_mnist_longer.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

METHODS = [("short_run", 3), ("short_run", 1), ("vae", 1)]
ARMS = dict(
    arm(method, "fashion_mnist", layers, "NUM_STEPS = 600", variant=f"layers{layers}_longer")
    for method, layers in METHODS
)
THREE, ONE, VAE = ARMS
FRECHET = "frechet/fashion_mnist_classifier"

STUDY = Study(
    title="Fashion-MNIST, equal updates, three times as many",
    seeds=(1, 2, 3),
    arms=ARMS,
    shown=("chain_mse_noiseless@1K",),
    claims=(
        f"mse: {THREE} < {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE} < {VAE}",
        # And its parts, since a chain of three hides which of them holds.
        f"mse: {THREE} < {ONE}",
        f"mse: {ONE} < {VAE}",
        f"{FRECHET}: {THREE} < {ONE}",
        f"{FRECHET}: {ONE} < {VAE}",
    ),
)
