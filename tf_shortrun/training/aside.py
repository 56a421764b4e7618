"""Moves what an earlier run wrote aside, so that nothing is lost and nothing is mixed.

The first time it is moved to `previous_1` in the same folder, then to `previous_2`, and so on.
"""

from pathlib import Path

_KEPT = ("lock", "previous_")
_PRODUCTS = (
    *("results.json", "report.html", "pictures.json", "saved_model", "models.config"),
    "serving",
    *("*.png", "step_sizes.svg", "step_sizes.pdf"),
)


def move_all(workdir: Path):
    """Moves everything aside, before a new run begins in the same folder."""
    _move(workdir, [path for path in workdir.iterdir() if not path.name.startswith(_KEPT)])


def move_products(workdir: Path):
    """Moves numbers, pictures, report and model of an earlier end aside, when training goes on."""
    _move(workdir, [path for pattern in _PRODUCTS for path in workdir.glob(pattern)])


def _move(workdir: Path, paths: list[Path]):
    if not paths:
        return
    used = {path.name for path in workdir.glob("previous_*")}
    number = next(n for n in range(1, len(used) + 2) if f"previous_{n}" not in used)
    place = workdir / f"previous_{number}"
    place.mkdir()
    for path in paths:
        path.rename(place / path.name)
