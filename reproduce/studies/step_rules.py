"""Compares rules that keep Langevin steps stable, and what a lower limit costs, on Fashion-MNIST.

    bound    no drift of a step moves the latents by more than r (root mean square)
    cap      s_k = min(s, c / lambda_k), lambda_k the largest curvature at step k
    rising   a schedule that rises from 1e-4 to the released step over the first half of the chain
    scaled   a diagonal Gauss-Newton preconditioner, s in units of the curvature

Three layers at the rate of the other studies, where the released chain rarely breaks: the price of
a rule shows. See reproduce/what_breaks.md, and runaways.py for runs that break.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020 (the chain as released).
Configuration: as runaways.py.
Hardware: two CPU cores, about forty minutes
Command: python -m tools.study reproduce/studies/step_rules.py --jobs=2
"""

import numpy as np

from tf_shortrun.reporting.study import Study, arm

STEP = 0.00125  # as released
RISING = [*np.geomspace(1e-4, STEP, 12).round(6).tolist(), *[STEP] * 13]
CAP = "gin/latent/step_size/curvature_cap.gin"
RULES = {
    "released": (),
    **{
        f"bound{100 * r:.0f}": (f"short_run.ShortRun.longest_move = {r}",)
        for r in (0.05, 0.1, 0.2, 0.4)
    },
    **{
        f"cap{100 * c:.0f}": (CAP, f"curvature_cap.CurvatureCap.limit = {c}")
        for c in (0.5, 1.0, 1.5)
    },
    "rising": (f"short_run.ShortRun.step_size = {[[s] for s in RISING]}",),
    "scaled": ("gin/study/scaled.gin",),
}
WATCHED = "gin/study/watched.gin"

STUDY = Study(
    title="Rules for stable steps and their price",
    seeds=(1, 2, 3),
    arms=dict(
        arm("short_run", "fashion_mnist", 3, WATCHED, *rule, variant=f"rule_{name}")
        for name, rule in RULES.items()
    ),
    shown=(
        "mse",
        "frechet/fashion_mnist_classifier",
        "latent_norm_worst",
        "step_sharpness/start",
        "step_sharpness/end",
    ),
)
