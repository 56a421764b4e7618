"""What README says works."""

import re
from pathlib import Path

import numpy as np
import pytest

from tf_shortrun import api

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_training_from_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(SNIPPETS[0], names)
    assert names["samples"].shape == (64, 784) and names["latents"][0].shape == (500, 20)
    assert np.isfinite(names["scores"]).all()
    assert (tmp_path / "served/saved_model/1/saved_model.pb").exists()


def test_inference_on_a_decoder():
    names = {}
    exec(SNIPPETS[1], names)
    assert names["posterior"].latents[0].shape == (16, 20)


def test_a_run_is_loaded(monkeypatch):
    """Of the demo, which takes too long here: `test_api.py` loads another run in its place."""
    loaded = []
    run = type("Run", (), {"sample": lambda self, num, seed: loaded.append((num, seed))})()
    monkeypatch.setattr(api, "load", lambda workdir: loaded.append(workdir) or run)
    exec(SNIPPETS[2], {})
    assert loaded == ["runs/demo", (64, 1), "tf_shortrun://digits", (64, 1)] and len(SNIPPETS) == 3


def test_files_and_tools_exist():
    mentioned = re.findall(r"(?:--gin_file=|\]\()([\w/.]+)", README)
    mentioned += re.findall(r"python -m tools\.study (\S+)", README)
    mentioned += [f"tools/{name}.py" for name in re.findall(r"python -m tools\.(\w+)", README)]
    assert len(mentioned) > 20
    assert not [path for path in mentioned if not (ROOT / path).exists()]


def test_it_can_be_read_in_one_sitting():
    assert README.count("\n") <= 200


def test_the_map_is_the_house():
    package = ROOT / "tf_shortrun"
    names = {p.stem for p in package.glob("*.py")} | {p.name for p in package.glob("*/")}
    listed = set(re.findall(r"\w+", README.split("## Map")[1].split("```")[1]))
    assert not {n for n in names if n.strip("_") not in ("init", "pycache")} - listed


@pytest.mark.parametrize("path", ["README.md"])
def test_links_into_pages_lead_to_headings(path):
    for page, anchor in re.findall(r"\]\(([\w/]+\.md)#([\w-]+)\)", (ROOT / path).read_text()):
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
        known = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}
        assert anchor in known, (page, anchor)
