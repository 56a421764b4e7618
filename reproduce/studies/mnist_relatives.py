"""Compares the relatives of short-run inference with one layer on MNIST.

The generator has the budget of mnist.py; a second stage, where there is one, has 400 updates.

Paper: those of the methods; no figure of MNIST in this protocol is known.
Configuration: as mnist.py. Weights of the auto-encoder as released for MNIST; the energy at 1e-3,
  as 200 updates at the released 2e-5 would learn nothing.
Hardware: two CPU cores, about a quarter of an hour
Command: python -m tools.study reproduce/studies/mnist_relatives.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

TWO_STAGES = (
    "NUM_LATENTS = 48",
    "NUM_FIRST_STEPS = 200",  # as many as NUM_STEPS, over which the rate decays
    "experiment.Experiment.num_steps = 600",
)
ENERGY_RATE = "energy/keras.optimizers.Adam.learning_rate = 1e-3"
OWN_RATES = {  # by tuning.py; the others have theirs
    "short_run": ["LEARNING_RATE = 6e-3"],
    "lebm": [ENERGY_RATE, "LEARNING_RATE = 1e-2"],
}
FRECHET = "frechet/mnist_classifier"

STUDY = Study(
    title="MNIST, relatives of one layer, equal updates of the generator",
    seeds=(1, 2, 3),
    arms=dict(
        [
            arm("short_run", "mnist", 1),
            arm("vae", "mnist", 1),
            arm("two_stage_vae", "mnist", 1, *TWO_STAGES),
            arm("rae", "mnist", 1, *TWO_STAGES, "PRIOR_WEIGHT = 0.29", "DECAY = 0.014"),
            arm("glo", "mnist", 1, *TWO_STAGES, "NUM_EXAMPLES = 3000"),
            arm("lebm", "mnist", 1, ENERGY_RATE),
            *(
                arm(method, "mnist", 1, *changes, variant="layers1_tuned")
                for method, changes in OWN_RATES.items()
            ),
        ]
    ),
    claims=(
        "mse: short_run_mnist_layers1 < vae_mnist_layers1",
        f"{FRECHET}: two_stage_vae_mnist_layers1 < vae_mnist_layers1",
        f"{FRECHET}: lebm_mnist_layers1 < short_run_mnist_layers1",
        f"{FRECHET}: lebm_mnist_layers1_tuned < short_run_mnist_layers1_tuned",
    ),
)
