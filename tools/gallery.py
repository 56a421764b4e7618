"""Writes docs/gallery.md from pins and results: pictures, number, verdict, command, minutes.

    python -m tools.gallery      writes the page, and copies its pictures to docs/gallery

A pin is shown by the run of its first seed, never the best. Beside samples are data at the same
size, the picture `data` of a run, kept as reproduce/results/data/<dataset>.png. What was not run
says NOT RUN.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tf_shortrun.reporting.charts import number
from tf_shortrun.reporting.results import Result
from tools import command
from tools.pins import Pin, read_pin, read_results, read_studies
from tools.results_table import judge

ROOT = Path(__file__).resolve().parent.parent
PICTURES = (
    "labels",
    "samples",
    "reconstructions",
    "walks",
    "energy",
    "layers",
)  # the first that was kept


def page(root: Path, folder: Path) -> str:
    """Returns the text of the page; pictures are copied to `folder`."""
    reproduce = root / "reproduce"
    pins = [read_pin(path) for path in sorted(reproduce.glob("*.gin"))]
    runs = read_results(reproduce / "results", pins, read_studies(reproduce).values())
    entries = [_entry(pin, runs[pin.results[0]], reproduce / "results", folder) for pin in pins]
    intro = (
        "Every pin of `reproduce/`, by the run of its first seed. Click a picture to enlarge it."
    )
    return "\n\n".join(["# Gallery", intro, *entries]) + "\n"


def _entry(pin: Pin, runs: Sequence[Result], results: Path, folder: Path) -> str:
    lines = [f"## {pin.file.removesuffix('.gin')}"]
    for target in pin.targets:
        ours, verdict = judge(target, runs)
        wanted = f"{target.metric} {target.sign} {target.bound:g} at scale {target.scale}"
        lines.append(f"- {wanted}: **{verdict}**{f', {ours}' if ours else ''}")
    if not runs:
        return "\n".join([*lines, "", f"NOT RUN: `--gin_file=reproduce/{pin.file}`"])
    run = runs[0]
    shown = ", ".join(f"{name} {number(value)}" for name, value in [*run.metrics.items()][:2])
    made = f"scale {run.scale}, seed {run.seed}, {run.steps:,} updates"
    spent = f"{run.seconds / 60:.1f} minutes"
    lines += ["", f"{shown or run.status} ({made} in {spent})", "", f"```\n{run.command}\n```"]
    return "\n".join([*lines, "", *_picture(run, results, folder)])


def _picture(run: Result, results: Path, folder: Path) -> list[str]:
    stem = f"{run.name}_{run.seed}"
    kept = [path for name in PICTURES for path in results.rglob(f"{stem}_{name}.png")]
    data = results / "data" / f"{run.dataset}.png"
    beside = [data] if kept and kept[0].stem.endswith("samples") and data.exists() else []
    shown = [*kept[:1], *beside]
    for path in shown:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    links = [f"[![{path.stem}](gallery/{path.name})](gallery/{path.name})" for path in shown]
    return [*links, "", "Samples first, then data."] if beside else links


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    return command.run(command.parser("gallery", __doc__), _write, arguments)


def _write(options) -> None:
    del options
    docs = ROOT / "docs"
    (docs / "gallery.md").write_text(page(ROOT, docs / "gallery"), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
