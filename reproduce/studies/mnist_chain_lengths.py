"""Compares chains of 5 to 25 steps by three rules, with one layer of latents on MNIST.

Error stands against seconds of training.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020; no figure of MNIST is known.
Hardware: one CPU core, three to six minutes each
Command: python -m tools.study reproduce/studies/mnist_chain_lengths.py
"""

from tf_shortrun.reporting.study import Study, named

PIN = "reproduce/mnist_step_size.gin"
ADAPTED = (
    "experiment.Experiment.num_steps = 1500",
    "experiment.Experiment.adapt_every = 150",
)
RULES = {  # for the step size
    "fixed": (),
    "energy_score": ("gin/latent/step_size/energy_score.gin", *ADAPTED),
    "warm": ("gin/latent/step_size/warm.gin", *ADAPTED),
}

STUDY = Study(
    title="MNIST, chains of 5 to 25 steps",
    seeds=(1, 2, 3),
    arms={
        f"short_run_mnist_{rule}_k{k}": (
            PIN,
            *settings,
            f"short_run.ShortRun.num_steps = {k}",
            named(f"{rule}_k{k}"),
        )
        for rule, settings in RULES.items()
        for k in (5, 10, 15, 25)
    },
    shown=("log_likelihood/ais",),
    claims=(
        "mse: short_run_mnist_warm_k5 < short_run_mnist_energy_score_k5 < short_run_mnist_fixed_k5",
        "mse: short_run_mnist_warm_k5 < short_run_mnist_fixed_k5",
        "mse: short_run_mnist_warm_k10 < short_run_mnist_fixed_k25",
    ),
)
