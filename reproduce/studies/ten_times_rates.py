"""Finds the learning rate of every method of ten_times.py, on validation images.

Every method has the same three rates, the same seed, which no other study has, and all 2,000
updates. The rate with the lowest error on 1,000 training images that nobody learned from is taken.
The two-stage VAE has that of the VAE, and CelebA those of CIFAR-10.

Paper: none; the published rates are for runs hundreds of times as long.
Configuration: as ten_times.py but for the rate.
Hardware: two CPU cores, about an hour and a half
Command: python -m tools.study reproduce/studies/ten_times_rates.py --jobs=2
"""

import runpy
from pathlib import Path

from tf_shortrun.reporting.study import Study, arm

TEN_TIMES = runpy.run_path(str(Path(__file__).with_name("ten_times.py")))
RATES = {"rate1": "1e-3", "rate3": "3e-3", "rate6": "6e-3"}
ONLY_ERRORS = "gin/study/ten_times_rates.gin"


def tried(dataset: str):
    """Yields an arm for every method and rate on a data set."""
    for (method, layers, kind), needs in TEN_TIMES["METHODS"].items():
        if method == "two_stage_vae":
            continue
        for name, rate in RATES.items():
            changes = (*needs, ONLY_ERRORS, f"LEARNING_RATE = {rate}")
            variant, data = f"layers{layers}_2000{kind}_{name}", TEN_TIMES["DATA"][dataset]
            yield arm(method, dataset, layers, *changes, variant=variant, data=data)


STUDY = Study(
    title="The rate of each method at 2,000 updates, on validation images",
    seeds=(101,),
    arms=dict(one for dataset in TEN_TIMES["BUDGET"] for one in tried(dataset)),
    shown=("mse", "unexplained_variance"),
)
