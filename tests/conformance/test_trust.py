"""Nothing that is read is run: no pickle, no evaluated text, no shell.

The one pickle is in the archive of the Inception weights. It has a checksum, and its reader refuses
every name that it does not know (tests/evals/features/test_inception.py).
"""

import ast
from pathlib import Path

import numpy as np
import pytest

from tf_shortrun.evals.features import cache

ROOT = Path(__file__).parents[2]
FILES = sorted(p for top in ("tf_shortrun", "tools") for p in (ROOT / top).rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib",
           "jsonpickle", "yaml", "h5py"}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "load_model", "system", "popen"}
KEYWORDS = {"allow_pickle", "shell", "safe_mode"}
ALLOWED = {("tf_shortrun/evals/features/inception_weights.py", "pickle")}


def dangers(source: str) -> set[str]:
    """Returns what in a program can run what it reads."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & MODULES
        elif isinstance(node, ast.Call):
            found |= {_name(node.func)} & CALLS
            found |= {word.arg for word in node.keywords} & KEYWORDS
    return found


def _name(function: ast.expr) -> str:
    """Returns a function without a module, or a method that only a module has."""
    is_own = isinstance(function, ast.Attribute) and function.attr in ("eval", "exec", "compile")
    name = getattr(function, "attr", getattr(function, "id", ""))
    return "" if is_own else name  # re.compile, model.eval


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_runs_what_it_reads(path):
    name = path.relative_to(ROOT).as_posix()
    assert {(name, danger) for danger in dangers(path.read_text())} <= ALLOWED


@pytest.mark.parametrize(
    ("source", "danger"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
        ("keras.saving.load_model(path)", "load_model"),
        ("eval(text)", "eval"),
        ("os.system(text)", "system"),
        ("subprocess.run(text, shell=True)", "shell"),
    ],
)
def test_each_danger_is_found(source, danger):
    assert dangers(source) == {danger}
    assert not dangers("re.compile(x); model.eval(); np.load(path); subprocess.run([x])")


class Bomb:
    """Makes a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_the_cache_is_not_loaded(tmp_path):
    bomb = np.empty(1, object)
    bomb[0] = Bomb(tmp_path / "went off")
    np.savez(tmp_path / "cache.npz", bomb)
    assert cache.load(tmp_path / "cache.npz") is None
    assert not (tmp_path / "went off").exists()
    with np.load(tmp_path / "cache.npz", allow_pickle=True) as file:
        file["arr_0"]
    assert (tmp_path / "went off").exists()  # so it would have been seen
