"""Tests that gin files become experiments, and that mistakes become errors of one line."""

from pathlib import Path

import pytest

from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError

ROOT = Path(__file__).parents[2]
PIN = "reproduce/digits.gin"


def failure(*bindings, files=(PIN,)):
    with pytest.raises(InputError) as error:
        config.load(files, bindings)
    message = str(error.value)
    assert "\n" not in message and len(message) < 400
    return message


def write(path, text):
    path.write_text("from __gin__ import dynamic_registration\n" + text)
    return str(path)


def test_bindings_override_files_and_later_files_earlier_ones(tmp_path):
    text = "from tf_shortrun.training import experiment\nexperiment.Experiment.num_steps = 7\n"
    later = write(tmp_path / "later.gin", text)
    assert config.load([PIN]).num_steps == 400
    assert config.load([PIN, later]).num_steps == 7
    assert config.load([PIN, later], ["experiment.Experiment.num_steps = 8"]).num_steps == 8


def test_the_gin_files_of_the_package_are_found_from_another_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.load([PIN]).method == "short_run"


def test_a_pin_can_include_a_pin_if_the_checkout_is_on_the_path(tmp_path, monkeypatch):
    """With the checkout on the path, `reproduce` looks like a Python package without files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    assert config.load(["reproduce/demo.gin"]).num_steps == 240


def test_files_of_the_working_directory_override_those_of_the_package(tmp_path, monkeypatch):
    included = "gin/latent/layers.gin"
    mine = "from tf_shortrun.training import experiment\nexperiment.Experiment.variant = 'mine'\n"
    (tmp_path / "gin/latent").mkdir(parents=True)
    (tmp_path / included).write_text(f"{(ROOT / included).read_text()}\n{mine}")
    assert not config.load([PIN]).variant
    monkeypatch.chdir(tmp_path)
    assert config.load([PIN]).variant == "mine"


def test_a_misspelt_parameter_gets_a_proposal():
    message = failure("short_run.ShortRun.num_step = 3")
    assert "num_step" in message and "did you mean num_steps?" in message


def test_a_misspelt_name_gets_a_proposal():
    message = failure("short_run.ShortRum.num_steps = 3")
    assert "ShortRum" in message and "did you mean ShortRun?" in message


def test_a_misspelt_module_is_reported_with_its_line(tmp_path):
    message = failure(files=[write(tmp_path / "a.gin", "from tf_shortrun import experimnt\n")])
    assert "experimnt" in message and "line 2" in message


def test_a_misspelt_file_gets_a_proposal():
    assert "did you mean reproduce/digits.gin" in failure(files=["reproduce/digit.gin"])
    assert "did you mean gin/scale/cpu.gin" in failure(files=["gin/scales/cpu.gin"])


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.gin").write_bytes(b"\xff\xfe\x00\x81")
    assert "not a text file" in failure(files=[str(tmp_path / "a.gin")])


@pytest.mark.parametrize(
    ("binding", "culprit"),
    [
        ("experiment.Experiment.num_steps = 'many'", "num_steps"),
        ("experiment.Experiment.num_steps = 2.5", "num_steps"),
        ("short_run.ShortRun.step_size = 'small'", "step_size"),
        ("top_down.TopDownGenerator.latent_widths = 64", "latent_widths"),
        ("top_down.TopDownGenerator.latent_widths = (64, 'x')", "latent_widths"),
        ("top_down.TopDownGenerator.conditional = 'gaussian'", "conditional"),
        ("NUM_UPSAMPLINGS = '2'", "num_upsamplings"),
        ("experiment.Experiment.evals = 3", "evals"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(binding, culprit):
    message = failure(binding)
    assert culprit in message and "wrong type" in message


def test_a_value_that_is_not_allowed_is_refused():
    assert "scale" in failure("experiment.Experiment.scale = 'huge'")


def test_a_missing_binding_is_named(tmp_path):
    text = "from tf_shortrun.training import experiment\nexperiment.Experiment.num_steps = 7\n"
    assert "method" in failure(files=[write(tmp_path / "a.gin", text)])


def test_a_missing_macro_is_named(tmp_path):
    assert "SIZE" in failure("top_down.TopDownGenerator.features = %SIZE")


def test_a_parameter_bound_twice_in_one_file_is_refused(tmp_path):
    text = "import keras\nkeras.optimizers.Adam.beta_1 = 0.5\nkeras.optimizers.Adam.beta_1 = 0.9\n"
    message = failure(files=[write(tmp_path / "a.gin", text)])
    assert "keras.optimizers.Adam.beta_1 twice" in message


def test_a_parameter_bound_twice_on_the_command_line_is_refused():
    assert "twice" in failure(*["experiment.Experiment.seed = 1"] * 2)


def test_a_syntax_error_is_reported_with_its_line(tmp_path):
    message = failure(files=[write(tmp_path / "a.gin", "x = = 3\n")])
    assert "line 2" in message


LADDER = """
from tf_shortrun.methods.latent import blocks
from tf_shortrun.methods.latent import top_down
top_down.TopDownGenerator.conditional = @blocks.LadderMerge
"""


def test_an_unused_binding_is_named(tmp_path, one_replica):
    mine = LADDER + "blocks.GaussianConditional.std_fn = @blocks.released_std\n"
    config.load([PIN, write(tmp_path / "mine.gin", mine)]).build(one_replica)
    with pytest.raises(InputError, match=r"GaussianConditional\.std_fn: remove it"):
        config.check_used()


def test_a_binding_that_a_later_file_made_idle_is_no_mistake(tmp_path, one_replica):
    config.load([PIN, write(tmp_path / "ladder.gin", LADDER)]).build(one_replica)
    config.check_used()


def test_a_binding_counts_as_used_if_a_call_in_its_scope_reads_it(tmp_path, one_replica):
    """gin makes the value of a macro in the scope of the macro."""
    text = """
import keras
from tf_shortrun.methods.latent import latent_likelihood
OPTIMIZER = @keras.optimizers.Adam()
latent_likelihood.LatentLikelihood.optimizer = %OPTIMIZER
"""
    config.load([PIN, write(tmp_path / "a.gin", text)]).build(one_replica)
    config.check_used()
    # That of the pin is idle then by a later file; one beside it would be a mistake.
    text += "OPTIMIZER/keras.optimizers.Adam.learning_rate = 0.1\n"
    config.load([PIN, write(tmp_path / "b.gin", text)]).build(one_replica)
    config.check_used()
    text += "keras.optimizers.Adam.learning_rate = 0.2\n"
    config.load([PIN, write(tmp_path / "c.gin", text)]).build(one_replica)
    with pytest.raises(InputError, match=r"binding keras.optimizers.Adam.learning_rate"):
        config.check_used()


def test_the_operative_config_reproduces_itself(tmp_path, one_replica):
    config.load([PIN]).build(one_replica)
    config.check_used()
    first = config.operative()
    (tmp_path / "operative.gin").write_text(first)
    config.load([str(tmp_path / "operative.gin")]).build(one_replica)
    assert config.operative() == first
    assert "ShortRun.step_size = 0.005" in first and "Adam.epsilon = 1e-08" in first
