"""The floors of the house: imports go downwards, and a few habits."""

import ast
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tf_shortrun"
FLOORS = [
    {"errors", "shapes", "noise", "nest", "startup", "allocator", "usage", "tf_shortrun"},
    {"models", "dynamics", "data"},
    {"inference", "learners", "evals"},
    {"experiment", "train", "checkpoint", "history", "judge", "export", "signature_checks"}
    | {"results", "provenance", "axis", "charts", "figure", "curves", "report", "study"},
    {"config", "gin_mistakes", "doctor", "workers", "main"},
]
# Wings that do not know each other; inference sees models and dynamics, evals see contracts.
FORBIDDEN = {
    ("models", "dynamics"), ("models", "data"), ("dynamics", "models"), ("dynamics", "data"),
    ("data", "models"), ("data", "dynamics"), ("learners", "evals"), ("evals", "models"),
    ("evals", "inference"), ("inference", "data"), ("inference", "learners"), ("learners", "data"),
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of everything imported anywhere in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def floor(name: str) -> int:
    (level,) = [i for i, rooms in enumerate(FLOORS) if name in rooms]
    return level


def edges():
    for path in FILES:
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        own = "tf_shortrun" if own == "__init__" else own
        for name in imports(path):
            if name.split(".")[0] == "tf_shortrun":
                yield path, own, room(name)


def test_imports_go_downwards():
    seen = list(edges())
    assert len(seen) > 30
    upward = [(str(p), a, b) for p, a, b in seen if a != b and floor(b) > floor(a)]
    assert not upward


def test_wings_do_not_know_each_other():
    assert not [(str(p), a, b) for p, a, b in edges() if (a, b) in FORBIDDEN]


def test_learners_import_no_concrete_model_nor_train_a_learner():
    def names(folder):
        return {n for p in folder for n in imports(p)}

    learners = names(sorted((PACKAGE / "learners").glob("*.py")))
    assert not [n for n in learners if "top_down" in n or "networks" in n]
    top = names([PACKAGE / f"{n}.py" for n in ("train", "experiment", "judge", "export")])
    rooms = {n.rsplit(".", 1)[0] for n in top if n.startswith("tf_shortrun.learners")}
    assert rooms == {"tf_shortrun.learners.base"}


def test_only_main_and_config_know_gin_and_flags():
    for path in FILES:
        if path.name not in ("main.py", "config.py", "gin_mistakes.py"):
            bad = [
                n for n in imports(path) if n.split(".")[0] == "gin" or n.startswith("absl.flags")
            ]
            assert not bad, path


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_and_functions_too(path):
    text = path.read_text()
    assert text.count("\n") <= 200
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 60, node.name


def test_no_junk_rooms_and_no_gin_package():
    names = {p.stem for p in FILES}
    assert not names & {"utils", "util", "common", "helpers", "misc"}
    assert not list((ROOT / "gin").rglob("__init__.py")), "it would shadow the gin package"


def test_the_only_loop_over_steps_is_unroll():
    with_loop = {p.name for p in FILES if "tf.while_loop" in p.read_text()}
    assert with_loop == {"unroll.py", "parts.py"}  # the other is over the parts of a batch


def test_everything_imported_is_pinned_and_what_dependencies_forget_too():
    texts = [(ROOT / f"requirements{kind}.txt").read_text() for kind in ("", "-peers")]
    pins = set(re.findall(r"^([\w-]+)==", "\n".join(texts), re.MULTILINE))
    pins = {pin.lower().replace("-", "_") for pin in pins}
    names = {"PIL": "pillow", "sklearn": "scikit_learn", "absl": "absl_py", "gin": "gin_config",
             "google": "protobuf"}  # fmt: skip
    files = [*FILES, *(ROOT / "tools").glob("*.py")]
    tops = {name.split(".")[0] for path in files for name in imports(path)}
    foreign = tops - set(sys.stdlib_module_names) - {"tf_shortrun", "tools"}
    assert len(foreign) >= 10
    assert {names.get(name, name) for name in foreign} <= pins
    # tf.summary, preparing TFDS data, and importing TensorFlow Probability.
    assert {"tensorboard", "importlib_resources", "tf_keras"} <= pins


def test_files_go_to_workers_as_a_whole(request):
    """What they build once would be built by each worker else."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process")
    assert request.node.nodeid.endswith(f"@{Path(__file__)}")
