"""Tests of the architecture (rooms on floors, imports from lower floors only) and of code style.

`python -m pytest -s tests/conformance/test_architecture.py` prints rooms and arrows.
"""

import ast
import collections
import re
import sys
from pathlib import Path

import pytest

import house

ROOT = Path(__file__).parents[2]
HOUSE = house.read()
STEMS = {part for path in HOUSE for part in Path(path).with_suffix("").parts} - {"__init__"}


def planted(path, line):
    """Returns the house with one more line, in an existing file or in a new one."""
    return HOUSE | {path: f"{HOUSE.get(path, '')}\n{line}\n"}


def test_rooms_and_arrows_are_found():
    print("\n" + house.table(HOUSE))
    assert len(house.rooms(HOUSE)) >= 12 and len(house.arrows(HOUSE)) > 30
    assert {path for path in HOUSE if path.count("/") == 0} == {"__init__.py", "api.py", "main.py"}


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_sources_follow_the_rule(rule):
    assert not rule(HOUSE)


IN_FUNCTION = "def f():\n    from tf_shortrun.methods.latent import short_run"
ROOMS = {f"methods/new{i}/a.py": "import os\nimport sys\n" for i in range(9)}
FEW = {f"{name}.py": "" for name in ("__init__", "main")} | {"core/noise.py": "import os\nX = 1\n"}


@pytest.mark.parametrize(
    ("rule", "path", "line"),
    [
        (house.upward, "core/nest.py", "from tf_shortrun.kernels import langevin"),
        (house.upward, "data/dataset.py", "import tf_shortrun.evals.subset"),
        (house.upward, "evals/pictures/grids.py", "from tf_shortrun.evals import subset"),
        (house.upward, "evals/plane.py", IN_FUNCTION),
        (house.upward, "training/train.py", "from tf_shortrun.reporting.results import write"),
        (house.upward, "reporting/report.py", "from tf_shortrun import main"),
        (house.upward, "core/nest.py", "from ..data import dataset"),
        (house.upward, "core/nest.py", "from tf_shortrun import __version__"),
        (house.sideways, "kernels/walk.py", "from tf_shortrun.networks import fused"),
        (house.sideways, "networks/fused.py", "from tf_shortrun.data.dataset import Dataset"),
        (house.sideways, "methods/energy/energy.py", IN_FUNCTION),
        (house.sideways, "methods/binary/rbm.py", "from tf_shortrun.methods import walkback"),
        (house.sideways, "export/checks.py", "from tf_shortrun.reporting import results"),
        (house.sees_a_method, "training/evaluate.py", IN_FUNCTION),
        (house.sees_a_method, "export/saved_model.py", IN_FUNCTION),
        (house.sees_a_method, "reporting/curves.py", IN_FUNCTION),
        (house.unknown, "methods/new/a.py", "import os\nimport sys"),
        (house.gin_outside_cli, "training/experiment.py", "def f():\n    import gin"),
        (house.gin_outside_cli, "methods/latent/sigma.py", "from gin import config"),
        (house.gin_outside_cli, "main.py", "import gin.config"),
        (house.flags_outside_main, "cli/config.py", "from absl import flags"),
        (house.gin_private, "cli/config.py", "gin.config._CONFIG.clear()"),
        (house.gin_private, "cli/doctor.py", "from gin.config import _REGISTRY"),
    ],
)
def test_a_planted_violation_is_found(rule, path, line):
    assert rule(planted(path, line))


def test_a_house_that_is_too_large_is_found():
    assert house.too_large(HOUSE | ROOMS)
    lines = "\n".join(f"import tf_shortrun.methods.new{i}.a" for i in range(9))
    many = dict.fromkeys([*ROOMS], f"{lines}\nX = 1\n")
    assert not house.too_large(FEW) and len(house.arrows(FEW | many)) == 72
    assert "72 arrows" in house.too_large(FEW | many)


# Code style


@pytest.mark.parametrize("path", HOUSE)
def test_files_and_functions_are_short(path):
    assert HOUSE[path].count("\n") <= 200
    for node in ast.walk(ast.parse(HOUSE[path])):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 60, node.name


def test_names_have_a_meaning_and_are_not_taken():
    assert not STEMS & {"utils", "util", "common", "helpers", "misc"}
    assert not STEMS & set(sys.stdlib_module_names)
    assert not [name for name in STEMS if f"{name}s" in STEMS], "a plural beside its singular"
    assert not list((ROOT / "gin").rglob("__init__.py")), "it would hide the package gin"


def test_names_of_classes_are_unique():
    classes = collections.Counter(
        node.name
        for source in HOUSE.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in classes.items() if count > 1] == []


def test_the_only_loop_over_steps_is_unroll():
    with_loop = {path for path, source in HOUSE.items() if "tf.while_loop" in source}
    # The loop in chunked.py is over the parts of a batch.
    assert with_loop == {"kernels/unroll.py", "networks/chunked.py"}


def test_all_imports_and_hidden_dependencies_are_pinned():
    texts = [(ROOT / f"requirements{kind}.txt").read_text() for kind in ("", "-peers", "-serving")]
    pins = set(re.findall(r"^([\w-]+)==", "\n".join(texts), re.MULTILINE))
    pins = {pin.lower().replace("-", "_") for pin in pins}
    names = {"PIL": "pillow", "sklearn": "scikit_learn", "absl": "absl_py", "gin": "gin_config",
             "google": "protobuf", "grpc": "grpcio"}  # fmt: skip
    sources = [*HOUSE.values(), *(path.read_text() for path in (ROOT / "tools").rglob("*.py"))]
    tops = {name.split(".")[0] for source in sources for name in house.imports(source)}
    foreign = tops - set(sys.stdlib_module_names) - {"tf_shortrun", "tools"}
    assert len(foreign) >= 10
    assert {names.get(name, name) for name in foreign} <= pins
    # Needed by tf.summary, by the preparation of TFDS data, and by TensorFlow Probability.
    assert {"tensorboard", "importlib_resources", "tf_keras"} <= pins
