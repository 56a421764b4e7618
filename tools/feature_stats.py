"""Measures the range of the distances of a feature extractor: floor and ceiling on a data set.

    python -m tools.feature_stats --gin_file=reproduce/digits.gin

For every FeatureDistances of the pin, this program makes the extractor (if there is no
classifier yet, it trains and saves one). It prints the description of the extractor, which
includes the test accuracy of a classifier, and the distances between the test split and

    floor    as many training images: no model can be expected to be below this value
    ceiling  as many images of uniform noise
"""

import logging
import sys
from collections.abc import Callable

import numpy as np

from tf_shortrun.cli import config
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features.extractor import Extractor, extract_split
from tf_shortrun.evals.features.quality import FeatureDistances, compare
from tools import command

_BATCH_SIZE = 100


def report(dataset: Dataset, make_extractor: Callable[..., Extractor]) -> str:
    """Returns the lines to print about the extractor that `make_extractor(dataset)` makes."""
    extractor = make_extractor(dataset)
    num = min(len(dataset.train.images), len(dataset.test.images))
    noise = np.random.default_rng(0).uniform(-1, 1, (num, *dataset.image_shape))
    sets = dataset.test.images[:num], dataset.train.images[:num], noise.astype(np.float32)
    test, train, noise = (extract_split(extractor, images, _BATCH_SIZE) for images in sets)
    floor, ceiling = compare(test, train, seed=0), compare(test, noise, seed=0)
    lines = [f"{extractor.name}: {extractor.describe()}", f"{num} images each, floor and ceiling:"]
    return "\n".join(lines + [f"{k:10s} {floor[k]:12.6g} {ceiling[k]:12.6g}" for k in floor])


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("feature_stats", __doc__)
    parser.add_argument("--gin_file", action="append", required=True)
    parser.add_argument("--gin_bindings", action="append", default=[])
    return command.run(parser, _print, arguments)


def _print(options) -> None:
    experiment = config.load(options.gin_file, options.gin_bindings)
    for evaluate in experiment.evals:
        if isinstance(evaluate, FeatureDistances):
            print(report(experiment.dataset, evaluate.extractor))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tf_shortrun").setLevel(logging.INFO)
    sys.exit(main())
