"""What README says works."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_code_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(code, names)
    assert names["posterior"].latents[0].shape == (16, 20)


def test_files_and_tools_exist():
    mentioned = re.findall(r"(?:--gin_file=|\]\()([\w/.]+)", README)
    mentioned += [f"tools/{name}.py" for name in re.findall(r"python -m tools\.(\w+)", README)]
    assert len(mentioned) > 8
    assert not [path for path in mentioned if not (ROOT / path).exists()]


def test_the_map_is_the_house():
    package = ROOT / "tf_shortrun"
    names = {p.stem for p in package.glob("*.py")} | {p.name for p in package.glob("*/")}
    listed = set(re.findall(r"\w+", README.split("## Map of the house")[1].split("```")[1]))
    assert not {n for n in names if n.strip("_") not in ("init", "pycache")} - listed
