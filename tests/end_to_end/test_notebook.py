"""The notebook of the docs: its cells, in order, in a process that looks like a kernel's."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/notebooks/first_steps.ipynb"
# A kernel is started with a file of its own, which no flags of ours may read.
KERNEL = """
import json, sys
sys.argv = ["colab_kernel_launcher.py", "-f", "kernel-1.json"]
names = {"__name__": "__main__"}
for source in json.load(sys.stdin):
    exec(compile(source, "cell", "exec"), names)
assert sys.argv[1:] == ["-f", "kernel-1.json"]
plt, run, x = names["plt"], names["run"], names["x"]
told = {
    "shapes": [names[name].shape for name in ("samples", "latents", "reconstructions", "path")],
    "figures": len(plt.get_fignums()),
    "mse": float(((names["reconstructions"] - x) ** 2).mean()),
    "variance": float(x.var()),
    "odd_is_higher": float((names["odd"] > names["usual"]).mean()),
}
print(json.dumps(told))
"""


def sources():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    given = {"input": json.dumps(sources()), "cwd": here, "env": environment}
    line = [sys.executable, "-c", KERNEL]
    ended = subprocess.run(line, capture_output=True, text=True, **given)
    assert ended.returncode == 0, ended.stderr
    assert not list(here.iterdir())
    return ended


def test_every_cell_runs_in_a_kernel(done):
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["shapes"] == [[12, 8, 8, 1], [12, 16], [12, 8, 8, 1], [12, 8, 8, 1]]
    assert told["figures"] == 5
    assert told["mse"] < told["variance"] / 4 and told["odd_is_higher"] > 0.9


def test_the_bar_is_shown_without_a_terminal(done):
    assert re.search(r"digits: 100%.* 300/300 \[.*mse=", done.stderr)


def test_no_output_is_kept_that_could_grow_stale():
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_a_reader_finds_it(page):
    (link,) = re.findall(r"\]\((\S+\.ipynb)\)", (ROOT / page).read_text())
    assert ((ROOT / page).parent / link).resolve() == NOTEBOOK
