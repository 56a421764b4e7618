"""Says which line a gin file needs before it can use a name."""

import importlib.util
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
REGISTRATION = "from __gin__ import dynamic_registration"


def lines(name: str) -> list[str]:
    """Returns the import lines that provide `name`; nothing if it is unknown, or two if unclear."""
    files = sorted(PACKAGE.rglob(f"{name}.py")) + sorted(PACKAGE.rglob(f"{name}/__init__.py"))
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in files]
    modules = [".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts]
    found = ["from {} import {}".format(*module.rsplit(".", 1)) for module in modules]
    return found or ([f"import {name}"] if importlib.util.find_spec(name) else [])


def known() -> list[str]:
    """Returns the names of all modules of this package, without their packages."""
    return sorted({path.stem for path in PACKAGE.rglob("*.py")} - {"__init__"})
