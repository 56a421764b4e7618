"""Whatever text or bytes a gin file or a binding has: an experiment, or one line."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from damage import damaged, damaged_bytes
from tf_shortrun.cli import config, workdir
from tf_shortrun.core.errors import InputError
from tf_shortrun.training.experiment import Experiment

TEXT = """\
from __gin__ import dynamic_registration

from tf_shortrun.training import experiment
from tf_shortrun.data import synthetic
from tf_shortrun.methods.latent import latent_likelihood
import keras

NUM_STEPS = 400  # a macro
experiment.Experiment.method = 'short_run'
experiment.Experiment.dataset = @synthetic.spiral()
synthetic.spiral.num_train = 20
synthetic.spiral.num_test = 10
synthetic.spiral.seed = 0
experiment.Experiment.make_learner = @latent_likelihood.LatentLikelihood
latent_likelihood.LatentLikelihood.optimizer = @first/keras.optimizers.Adam()
first/keras.optimizers.Adam.learning_rate = 1e-3
experiment.Experiment.evals = []
experiment.Experiment.pictures = (
)
experiment.Experiment.batch_size = 10
experiment.Experiment.num_steps = %NUM_STEPS
experiment.Experiment.checkpoint_every = 100
experiment.Experiment.seed = 1
experiment.Experiment.scale = 'cpu'
"""
BINDING = "experiment.Experiment.seed = 1"
PARTS = st.sampled_from([
    *("'", '"', "'''", '"""', "(", ")", "[", "]", "{", "}", ",", ":", "=", "==", ".", "..", "/"),
    *("@", "%", "#", "\\", "\n", "\r", "\t", " ", "    ", "\f", "\0", "\x1b[31m", "\ufeff"),
    *("-1", "0", "1e999", "-0.0", "1_000", "0x1F", "00", "1j", "1e-3", "\u0663", "nan", "9" * 40),
    *("9" * 5000, "True", "None", "b'x'", "f'{1}'", "r'\\'", "1 + 1", "...", "lambda: 0", "\u2028"),
    *("@synthetic.spiral()", "%NUM_STEPS", "a/b/", "import keras\n", "include 'x.gin'\n", "[" * 30),
    *("from x import y\n", "é", "\U0001f600", "\ud800", "~", "$HOME", "-", "**", ";", "`", "?"),
])  # fmt: skip


def check(files, bindings=()):
    """Checks that these are an experiment, or are refused in one line."""
    try:
        assert isinstance(config.load(files, bindings), Experiment)
    except InputError as error:
        assert "\n" not in str(error) and 10 < len(str(error)) < 600


@pytest.fixture(scope="module")
def pin(tmp_path_factory):
    path = tmp_path_factory.mktemp("pins") / "pin.gin"
    path.write_text(TEXT)
    return path


def test_the_text_is_an_experiment(pin):
    assert isinstance(config.load([str(pin)]), Experiment)


@given(damaged(TEXT, PARTS, 20))
def test_a_damaged_text_is_read_or_refused_in_one_line(pin, text):
    path = pin.with_name("text.gin")
    path.write_text(text, "utf-8", "surrogatepass", "")
    check([str(path)])


@given(damaged_bytes(TEXT.encode()) | damaged_bytes(TEXT.encode("utf-16")))
def test_damaged_bytes_are_read_or_refused_in_one_line(pin, data):
    path = pin.with_name("bytes.gin")
    path.write_bytes(data)
    check([str(path)])


@example(["'''experiment.Experiment.seed ", "'''experiment.Experiment.seed "])
@given(st.lists(damaged(BINDING, PARTS, 30), min_size=1, max_size=2))
def test_damaged_bindings_are_read_or_refused_in_one_line(pin, bindings):
    check([str(pin)], bindings)


@example("include 'gin/scale/cpu.gin'")  # has no value
@given(damaged(BINDING, PARTS, 30))
def test_any_binding_gives_the_name_of_one_folder(binding):
    folder = workdir.of_run(["a/pin.gin"], [binding])
    assert folder.parent == Path("runs") and folder.name.startswith("pin-")
    assert len(folder.name.encode()) < 255 and folder.name.isprintable()
