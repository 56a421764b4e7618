"""Measures where training leaves the generator: s lambda at the end of its chains, for many s.

If training stopped sharpening at a curvature of its own, s lambda would be proportional to s. If
it sharpens until its own chain is at the edge of stability, s lambda is about the same for all.
The step size s, the number of steps K and sigma are changed, with the released rule and no bound.
See docs/notes/step_size.md.

Paper: Nijkamp, Pang, Han, Zhou, Zhu, Wu, ECCV 2020 (the chain as released: s = .00125, K = 25,
  sigma = .15).
Configuration: three layers with 16 features, 200 updates of 50 images, as mnist.py.
Hardware: two CPU cores, about forty minutes
Command: python -m tools.study reproduce/studies/edge.py --jobs=2
"""

from tf_shortrun.reporting.study import Study, arm

ONLY_SHARPNESS = "gin/study/edge.gin"
STEP, LENGTH, SIGMA = (
    "short_run.ShortRun.step_size",
    "short_run.ShortRun.num_steps",
    "top_down.TopDownGenerator.sigma",
)
CHAINS = {
    "released": {},
    "quarter_step": {STEP: 0.0003125},
    "four_steps": {STEP: 0.005},
    "length10": {LENGTH: 10},
    "length50": {LENGTH: 50},
    "sigma30": {SIGMA: 0.3},
    "sigma30_four_steps": {SIGMA: 0.3, STEP: 0.005},
}


def arms(dataset: str):
    """Yields an arm for every chain on a data set."""
    for name, changes in CHAINS.items():
        bindings = [f"{parameter} = {value}" for parameter, value in changes.items()]
        yield arm("short_run", dataset, 3, ONLY_SHARPNESS, *bindings, variant=f"edge_{name}")


STUDY = Study(
    title="The edge of stability",
    seeds=(1, 2, 3),
    arms=dict(one for dataset in ("mnist", "fashion_mnist") for one in arms(dataset)),
    shown=("step_sharpness/start", "step_sharpness/middle", "step_sharpness/end", "mse"),
)
