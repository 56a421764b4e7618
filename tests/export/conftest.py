"""One exported learner with every signature, for all tests of a worker."""

from typing import NamedTuple

import pytest
import tensorflow as tf

from exported import SHAPE, real
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.saved_model import export

RESULT = {
    "method": "short_run",
    "variant": "layers1",
    "seed": 7,
    "scale": "cpu",
    "steps": 0,
    "versions": {"tf_shortrun": "9.9"},
    "commit": None,
    "command": "tf-shortrun --gin_file=x.gin",
    "metrics": {"frechet/inception2015": 12.5},
    "protocol": {"frechet/inception2015": "500 samples | 500 test images"},
    "better": {"frechet/inception2015": "lower"},
}


class Served(NamedTuple):
    """An exported learner: its SavedModel, and its signatures in Python."""

    learner: object
    folder: object
    signatures: dict
    model: object  # keeps the variables


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    learner = real()
    origin = Origin("digits", Preparation(*SHAPE), RESULT)
    folder = export(learner, tmp_path_factory.mktemp("served"), "short_run", origin)
    model = tf.saved_model.load(str(folder))
    return Served(learner, folder, model.signatures, model)
