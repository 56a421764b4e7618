"""Wrong settings are refused in one line that names them and the remedy; nothing is trained.

Every input was once tried by a person, and ended in a traceback, was taken, or was explained badly.
"""

import pytest

from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError

PIN = "reproduce/digits.gin"
HEAD = "from __gin__ import dynamic_registration\n"
SMALL = [
    "top_down.TopDownGenerator.latent_widths = (4,)",
    "short_run.ShortRun.num_steps = 2",
    "FEATURES = 4",
]
EXPERIMENT = "experiment.Experiment."
PIECES = "keras.optimizers.schedules.PiecewiseConstantDecay."
MODEL = "top_down.TopDownGenerator."
LEARNER = EXPERIMENT + "make_learner"


def build(strategy, *bindings, files=(PIN,)):
    """Does what the command does before it trains."""
    changed = {binding.partition("=")[0].strip() for binding in bindings}
    small = [b for b in SMALL if b.partition("=")[0].strip() not in changed]
    experiment = config.load(files, [*(small if PIN in files else []), *bindings])
    with config.explained():
        experiment.build(strategy)
    config.check_used()


def refusal(strategy, *bindings, files=(PIN,)):
    with pytest.raises(InputError) as error:
        build(strategy, *bindings, files=files)
    message = str(error.value)
    assert "\n" not in message and len(message) < 400
    return message


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_the_small_pin_is_accepted(one_replica):
    build(one_replica)


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        # numbers
        (EXPERIMENT + "seed = -1", "seed is -1: choose from 0 to 2147483647"),
        (EXPERIMENT + "seed = 1099511627776", "choose from 0 to 2147483647"),
        (EXPERIMENT + "seed = 2147483648", "choose from 0 to 2147483647"),
        (EXPERIMENT + "seed = 2**40", "not computed: write the number"),
        (EXPERIMENT + "seed = 1e3", "float is not an instance of int"),
        (EXPERIMENT + "seed = True", "write a number"),
        (EXPERIMENT + "batch_size = True", "write a number"),
        (EXPERIMENT + "num_steps = False", "write a number"),
        (EXPERIMENT + "num_steps = 1000000000000", "at most 2147483647"),
        (EXPERIMENT + "log_every = 1000000000000", "at most 2147483647"),
        (EXPERIMENT + "checkpoint_every = 0", "at least 1"),
        ("FEATURES = True", "write a number"),
        ("FEATURES = 0", "features is 0: choose at least 1"),
        ("FEATURES = -1", "features is -1: choose at least 1"),
        ("FEATURES = 4.0", "float is not an instance of int"),
        ("FEATURES = 1000000000", "fewer features"),
        (MODEL + "latent_widths = (4, True)", "write a number"),
        (MODEL + "latent_widths = ()", "one positive width per layer"),
        (MODEL + "latent_widths = (0,)", "one positive width per layer"),
        (MODEL + "latent_widths = (1000000000,)", "at most 1,000,000"),
        (MODEL + "sigma = True", "write a number"),
        (MODEL + "sigma = 1e999", "too large for a number"),
        ("short_run.ShortRun.num_steps = 1000000000", "at most 1,000,000"),
        ("short_run.ShortRun.num_steps = 0", "at least one step"),
        ("short_run.ShortRun.num_steps = True", "write a number"),
        ("short_run.ShortRun.noise_scale = -1.0", "noise_scale is -1.0: choose a number from 0 on"),
        ("short_run.ShortRun.step_size = True", "write a number"),
        ("IMAGE_SHAPE = (8, 8)", "give (height, width, channels)"),
        ("IMAGE_SHAPE = (0, 0, 1)", "give (height, width, channels)"),
        ("NUM_UPSAMPLINGS = -1", "num_upsamplings -1"),
        ("reconstruction.Reconstruction.batch_size = 0", "choose from 1 on"),
        ("reconstruction.Reconstruction.num_images = 1000000000", "at most 100,000,000"),
        # the optimizer
        ("keras.optimizers.Adam.learning_rate = '1e-3'", "bind a positive number with a dot"),
        ("keras.optimizers.Adam.learning_rate = 1", "bind a positive number with a dot"),
        ("keras.optimizers.Adam.learning_rate = -0.1", "learning_rate is -0.1"),
        ("keras.optimizers.Adam.learning_rate = @" + PIECES[:-1], "a schedule needs ()"),
        ("keras.optimizers.Adam.beta_1 = 2", "beta_1 is 2: choose a number from 0 up to"),
        ("keras.optimizers.Adam.beta_one = 0.5", "no parameter 'beta_one': did you mean beta_"),
        (PIECES + "boundaries = (300, 200, 350)", "choose rising numbers above 0"),
        (PIECES + "boundaries = (200, 300)", "length"),
        # parts
        (EXPERIMENT + "evals = [@reconstruction.Reconstruction]", "call it with ()"),
        (EXPERIMENT + "evals = @reconstruction.Reconstruction()", "write [@Reconstruction()]"),
        (EXPERIMENT + "evals = ['mse']", "no Eval"),
        (EXPERIMENT + "pictures = [@reconstruction.Reconstruction()]", "no Picture"),
        (EXPERIMENT + "dataset = @digits.digits", "write @digits()"),
        (EXPERIMENT + "dataset = 'digits'", "Dataset"),
        (LEARNER + " = @digits.digits", "Dataset is no Learner"),
        (LEARNER + " = @top_down.TopDownGenerator", "TopDownGenerator is no Learner"),
        (LEARNER + " = @top_down.TopDownGenerator()", "without ()"),
        ("latent_likelihood.LatentLikelihood.optimizer = 'adam'", "optimizer"),
        ("latent_likelihood.LatentLikelihood.optimizer = @keras.optimizers.Adam", "write @Adam()"),
        # names
        (EXPERIMENT + "method = '..'", "wrong model name '..'"),
        (EXPERIMENT + "method = '.'", "begin with a letter"),
        (EXPERIMENT + "method = ''", "begin with a letter"),
        (EXPERIMENT + "method = 'a/b'", "letters, digits"),
        (EXPERIMENT + "method = 'a b'", "letters, digits"),
        (EXPERIMENT + "variant = 'a/b'", "wrong variant 'a/b': use at most 100 letters"),
        (EXPERIMENT + "variant = '..'", "wrong variant"),
        (EXPERIMENT + "max_rollbacks = -1", "max_rollbacks is -1: choose from 0 to 20"),
        (EXPERIMENT + "max_rollbacks = True", "write a number"),
        (EXPERIMENT + f"method = '{'x' * 300}'", "at most 100"),
        # texts
        (EXPERIMENT + "method = abp", "needs quotes"),
        (EXPERIMENT + "method = /data/x", "needs quotes"),
        (EXPERIMENT + "method = [abp]", "needs quotes"),
        (EXPERIMENT + "method = 'abp", "quote without an end"),
        (EXPERIMENT + "evals = [", "close it"),
        (EXPERIMENT + "seed", "write NAME = VALUE"),
        (EXPERIMENT + "seed == 3", "write NAME = VALUE"),
        (EXPERIMENT + "seed: 3", "experiment.Experiment.seed: 3"),
        (MODEL + "latent_widths = " + "[" * 30 + "]" * 30, "too deeply"),
        (MODEL + "latent_widths = " + "[" * 3000 + "]" * 3000, "too deeply"),
        # circles
        ("FEATURES = %FEATURES", "FEATURES -> FEATURES leads back to itself"),
        (PIECES + f"boundaries = @{PIECES[:-1]}()", "leads back to itself"),
        (EXPERIMENT + "scale = %NOWHERE", "NOWHERE"),
    ],
)
def test_a_wrong_binding_is_refused(one_replica, binding, words):
    assert words in refusal(one_replica, binding)


@pytest.mark.parametrize(
    ("pin", "binding", "words"),
    [
        ("walkback_digits", "networks.dense.units = (0,)", "units"),
        ("walkback_digits", "networks.dense.units = (1000000000,)", "choose smaller widths"),
        ("gsn_spiral", "denoising.Denoising.num_steps = 1000000000", "at most 1,000,000"),
        ("vae_digits", "FEATURES = 0", "features is 0: choose at least 1"),
        ("rae_digits", "NUM_FIRST_STEPS = True", "write a number"),
        ("glo_digits", "latent_table.LatentTable.num_test_steps = 1000000000", "choose at most"),
        (
            "binary_latent_digits",
            "binary_latent.BinaryLatent.num_sample_sweeps = 1000000000",
            "num_sample_sweeps is 1000000000: choose at most",
        ),
        (
            "binary_latent_digits",
            "joint/keras.optimizers.schedules.PolynomialDecay.end_learning_rate = -1.0",
            "BinaryLatent.joint_weight: end_learning_rate is -1.0",
        ),
        (
            "ladder_vae_digits",
            "weight/keras.optimizers.schedules.PolynomialDecay.initial_learning_rate = -1.0",
            "EvidenceBound.prior_weight: initial_learning_rate is -1.0",
        ),
        ("wgan_gp_25gaussians", "keras.optimizers.Adam.epsilon = -1", "epsilon is -1"),
        (
            "binary_latent_digits",
            "gibbs_chains.PersistentChains.num_chains = 1000000000",
            "num_chains is 1000000000: choose at most",
        ),
    ],
)
def test_a_wrong_binding_of_another_method_is_refused(one_replica, pin, binding, words):
    assert words in refusal(one_replica, binding, files=[f"reproduce/{pin}.gin"])


def test_two_macros_that_lead_to_each_other_are_refused(one_replica):
    message = refusal(one_replica, "FEATURES = %OTHER", "OTHER = %FEATURES")
    assert "FEATURES -> OTHER -> FEATURES leads back to itself" in message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("photos", "also inside those of the shell: \"folder.folder.path = 'photos'\""),
        ("/data/x", "= '/data/x'"),
        ("~/my photos", "= '~/my photos'"),
        ("./x.zip", "= './x.zip'"),
        (r"'C:\data\new'", "write / in a path"),
        (r"'C:\users\x'", "write / instead"),
        ("'photos'", "photos does not exist: give a folder or a zip"),
    ],
)
def test_a_wrong_path_of_images_is_refused(one_replica, value, words):
    binding = f"folder.folder.path = {value}"
    assert words in refusal(one_replica, binding, files=["gin/own_images.gin"])


@pytest.mark.parametrize("path", [".", "..", "./", "/", "photos/.."])
def test_a_path_that_holds_the_working_directory_is_refused(
    one_replica, tmp_path, monkeypatch, path
):
    """Everything below it would be trained on, also the pictures of earlier runs."""
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / f"photos/{name}.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    binding = f"folder.folder.path = '{path}'"
    message = refusal(one_replica, binding, files=["gin/own_images.gin"])
    assert "is the working directory or holds it" in message
    with pytest.raises(InputError, match="cannot read a.png"):  # the folder itself is tried
        build(one_replica, "folder.folder.path = 'photos'", files=["gin/own_images.gin"])


def test_a_path_of_images_that_is_not_given_is_named(one_replica):
    message = refusal(one_replica, files=["gin/own_images.gin"])
    assert "no value for path: bind it, e.g. folder.folder.path" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{HEAD}short_run.ShortRun.num_steps = 3\n",
            "short_run is not imported: "
            "add the line from tf_shortrun.methods.latent import short_run (In file",
        ),
        (f"{HEAD}X = @reconstruction.Reconstruction()\n", "from tf_shortrun.evals import recon"),
        (f"{HEAD}keras.optimizers.Adam.beta_1 = 0.5\n", "add the line import keras"),
        (f"{HEAD}short_rum.ShortRun.num_steps = 3\n", "did you mean short_run"),
        (f"{HEAD}from tf_shortrun.methods.latent import short_run\nshort_run.Short.a = 3", "Short"),
        ("abp.Chains.num = 3\n", "nothing is called abp.Chains"),
        ("checks.Check.num = 3\n", HEAD.strip() + " and from tf_shortrun.export import checks"),
        (f"{HEAD}import numpyy\n", "numpyy"),
        (f"{HEAD}include 'nowhere.gin'\n", "no gin file nowhere.gin"),
        (f"{HEAD}X = 3\nX = 4\n", "twice"),
        (f"{HEAD}X = [\n", "ends inside a bracket"),
        (f"{HEAD}X = 3 4\n", "line 2"),
        (f"{HEAD}X = 3\n", "nothing uses the binding X: remove it"),
        (f"{HEAD}# caf\xe9\n".encode("latin-1"), "not a text file in UTF-8"),
        (HEAD.encode("utf-16"), "not a text file in UTF-8"),
    ],
)
def test_a_mistake_in_a_file_is_explained(one_replica, tmp_path, text, words):
    assert words in refusal(one_replica, files=[PIN, write(tmp_path / "mine.gin", text)])


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_files_without_an_experiment_are_refused(one_replica, tmp_path, text):
    message = refusal(one_replica, files=[write(tmp_path / "a.gin", text)])
    assert "no experiment: include a pin" in message


def test_files_that_include_each_other_are_refused(one_replica, tmp_path):
    one, two = tmp_path / "one.gin", tmp_path / "two.gin"
    write(one, f"include '{two}'\n")
    write(two, f"include '{one}'\n")
    message = refusal(one_replica, files=[str(one)])
    assert message.endswith("one.gin is a circle of includes: remove one of them")
    write(two, f"include '{two}'\n")
    assert "two.gin is a circle" in refusal(one_replica, files=[str(one)])


def test_a_file_may_be_included_twice_and_begin_with_a_byte_order_mark(tmp_path):
    text = f"{HEAD}from tf_shortrun.training import experiment\n{EXPERIMENT}num_steps = 7\n"
    mine = write(tmp_path / "mine.gin", "\ufeff" + text)
    again = write(tmp_path / "again.gin", f"include '{mine}'\ninclude '{mine}'\n")
    assert config.load([PIN, again]).num_steps == 7
