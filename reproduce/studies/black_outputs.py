"""Counts runs that end black or diverge, before and after the mend, at the two highest rates.

Every method of tuning.py is repeated at the two highest of its rates with five seeds, once as
released and once mended: the outputs start at the mean colour of the data, the moves of a chain are
bounded, and a run whose outputs are all at their limits goes back, with half the rate, at most five
times. See reproduce/what_breaks.md.

Paper: none.
Configuration: as tuning.py; errors of 200 validation images, no pictures.
Hardware: two CPU cores, about four hours (estimate from three runs)
Command: python -m tools.study reproduce/studies/black_outputs.py --jobs=2
"""

import runpy
from pathlib import Path

from tf_shortrun.reporting.study import Study, arm

TUNING = runpy.run_path(str(Path(__file__).with_name("tuning.py")))
FEW = "reconstruction.Reconstruction.num_images = 200"
MEND = (
    "top_down.TopDownGenerator.starts_at_mean = True",
    "experiment.Experiment.max_rollbacks = 5",
)
BOUND = "short_run.ShortRun.longest_move = 0.1"
WITH_CHAIN = {"short_run", "abp", "lebm"}


def both(dataset: str, method: str, layers: int, *needs: str):
    """Yields four arms of a method: two rates, or steps of latents, as released and mended."""
    mend = [*MEND, BOUND] if method in WITH_CHAIN else MEND
    tuned, values = TUNING["tuned"](method)
    for name, value in list(values.items())[-2:]:
        for state, changes in (("released", []), ("mended", mend)):
            variant = f"layers{layers}_{name}_{state}"
            settings = (*needs, f"{tuned} = {value}", FEW, *changes)
            data = TUNING["DATA"][dataset]
            yield arm(method, dataset, layers, *settings, variant=variant, data=data)


STUDY = Study(
    title="Black outputs, before and after",
    seeds=(1, 2, 3, 4, 5),
    arms=dict(one for method in TUNING["METHODS"] for one in both(*method)),
    shown=("mse", "unexplained_variance"),
)
