"""Measures what short-run inference owes to its parts on Fashion-MNIST, one change at a time.

The parts are the length of its chain, layers, sigma, noise and the rule of its step size; changes
start from three layers, K = 25, sigma 0.15, step 0.00125 with noise.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020; no figure of Fashion-MNIST is known.
Hardware: two CPU cores, about half an hour
Command: python -m tools.study reproduce/studies/fashion_mnist_ablations.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

CHANGES = {  # of three layers, by the variant
    "layers2": ["top_down.TopDownGenerator.latent_widths = (24, 24)"],
    "layers5": ["top_down.TopDownGenerator.latent_widths = (9, 9, 10, 10, 10)"],
    **{f"k{k}": [f"short_run.ShortRun.num_steps = {k}"] for k in (5, 10, 50)},
    "sigma03": ["top_down.TopDownGenerator.sigma = 0.3"],
    "no_noise": ["short_run.ShortRun.noise_scale = 0.0"],
    "energy_score": [
        "gin/latent/step_size/energy_score.gin",
        "experiment.Experiment.num_steps = %NUM_STEPS",
        "experiment.Experiment.adapt_every = 40",
    ],
}
ONE_WITHOUT_LOWER_LATENTS = "top_down.TopDownGenerator.latent_widths = (16,)"
THREE, TWO, ONE = (f"short_run_fashion_mnist_layers{layers}" for layers in (3, 2, 1))
K5, K10, K50 = (f"short_run_fashion_mnist_k{k}" for k in (5, 10, 50))
FRECHET = "frechet/fashion_mnist_classifier"


def changed(layers: int, variant: str, *changes: str):
    """Returns the arm of one change."""
    return arm("short_run", "fashion_mnist", layers, *changes, variant=variant)


STUDY = Study(
    title="Fashion-MNIST, one change at a time",
    seeds=(1, 2, 3),
    arms=dict(
        [
            arm("short_run", "fashion_mnist", 3),
            arm("short_run", "fashion_mnist", 1),
            changed(1, "layers1_top", ONE_WITHOUT_LOWER_LATENTS),
            *(changed(3, variant, *changes) for variant, changes in CHANGES.items()),
        ]
    ),
    shown=("latent_norm@1K", FRECHET),
    claims=(
        f"mse: {THREE} < {TWO} < {ONE}",
        f"mse: {THREE} < {ONE}_top",
        f"mse: {K50} < {THREE} < {K10} < {K5}",
        f"{FRECHET}: {THREE} < short_run_fashion_mnist_no_noise",
        # And parts, since a chain hides which of them holds.
        f"mse: {TWO} < {ONE}",
        f"mse: {THREE} < {K10} < {K5}",
    ),
)
