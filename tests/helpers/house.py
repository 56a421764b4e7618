"""The imports between the folders of the package, and the rules of the architecture.

A house is a mapping from path in tf_shortrun/ to source, so that a test can plant a violation in
it. A room is a folder. The files `main.py`, `api.py` and `__init__.py`, which are in no folder, are
the room `main`. An arrow is a pair (room, room that it imports). Imports in functions count too.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[2] / "tf_shortrun"
House = Mapping[str, str]

# A room imports only from lower floors. Rooms on the same floor do not import each other.
FLOORS = (
    ("core",),
    ("kernels", "networks", "data"),
    ("evals/features", "evals/pictures"),
    ("evals",),
    ("methods/latent", "methods/walkback", "methods/energy", "methods/binary"),
    ("training",),
    ("export", "reporting"),
    ("cli", "use"),
    ("main",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BLIND = ("training", "export", "reporting")  # these import contracts, never a method
MAX_ROOMS, MAX_ARROWS = 17, 59


class Import(NamedTuple):
    """An import of `name` in the file `path` of `room`."""

    path: str
    room: str
    name: str


def read() -> dict[str, str]:
    """Returns the house of the current sources."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in files}


def imports(source: str, path: str = "") -> set[str]:
    """Returns the full names of all imports in the source."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = ["tf_shortrun", *path.split("/")][: -node.level] if node.level else []
            module = ".".join([*here, *filter(None, [node.module])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def every_import(house: House) -> Iterator[Import]:
    for path, source in house.items():
        for name in sorted(imports(source, path)):
            yield Import(path, _room(path), name)


def rooms(house: House) -> list[str]:
    """Returns the folders that are not empty, the lowest floor first and unknown rooms last."""
    found = {_room(path) for path, source in house.items() if len(ast.parse(source).body) > 1}
    return sorted(found, key=lambda room: (FLOOR.get(room, len(FLOORS)), room))


def arrows(house: House) -> dict[tuple[str, str], list[str]]:
    """Returns (room, room that it imports) -> the files with these imports."""
    folders = {path.rpartition("/")[0] for path in house}
    found = {}
    for path, room, name in every_import(house):
        if name.split(".")[0] == "tf_shortrun":
            target = _target(name, folders)
            if target != room and path not in found.setdefault((room, target), []):
                found[room, target].append(path)
    return found


def table(house: House) -> str:
    """Returns a text with each room and the rooms that it imports."""
    known = {room: [] for room in rooms(house)}
    for room, target in sorted(arrows(house)):
        known.setdefault(room, []).append(target)
    lines = [f"{room:18s} {' '.join(targets)}".rstrip() for room, targets in known.items()]
    return "\n".join([f"{len(known)} rooms, {len(arrows(house))} arrows", *lines])


# The rules. Each returns a line for each violation.


def upward(house: House) -> list[str]:
    """Finds imports from higher floors: a room imports from lower floors only."""
    return _bad(house, lambda room, target: FLOOR.get(target, 99) > FLOOR.get(room, -1))


def sideways(house: House) -> list[str]:
    """Finds imports between rooms on the same floor, such as methods."""
    return _bad(house, lambda room, target: FLOOR.get(target) == FLOOR.get(room))


def sees_a_method(house: House) -> list[str]:
    """Finds imports of methods in training, export and reporting, which use contracts only."""
    return _bad(house, lambda room, target: room in BLIND and target.startswith("methods/"))


def unknown(house: House) -> list[str]:
    """Finds rooms that are on no floor."""
    return [f"{room} is on no floor" for room in rooms(house) if room not in FLOOR]


def too_large(house: House) -> list[str]:
    """Finds too many rooms or arrows, so that growth is a deliberate decision."""
    counts = {"rooms": (rooms(house), MAX_ROOMS), "arrows": (arrows(house), MAX_ARROWS)}
    return [f"{len(all_)} {name}" for name, (all_, most) in counts.items() if len(all_) > most]


def gin_outside_cli(house: House) -> list[str]:
    """Finds imports of gin outside cli: the library does not depend on gin."""
    return [
        f"{path} imports {name}"
        for path, room, name in every_import(house)
        if name.split(".")[0] == "gin" and room != "cli"
    ]


def flags_outside_main(house: House) -> list[str]:
    """Finds imports of flags outside main.py, which has the verbs."""
    return [
        f"{path} imports {name}"
        for path, _, name in every_import(house)
        if name.startswith("absl.flags") and path != "main.py"
    ]


def gin_private(house: House) -> list[str]:
    """Finds uses of private attributes of gin in more than one file."""
    files = [path for path, source in house.items() if any(_private_names(source))]
    return files if len(files) > 1 else []


RULES = (
    *(upward, sideways, sees_a_method, unknown, too_large),
    *(gin_outside_cli, gin_private, flags_outside_main),
)


def _private_names(source: str) -> Iterable[str]:
    """Yields names from gin or its modules that begin with _."""
    tree = ast.parse(source)
    from_gin = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if f"{getattr(node, 'module', '') or alias.name}".split(".")[0] == "gin"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            base = node.value
            while isinstance(base, ast.Attribute):
                base = base.value
            if isinstance(base, ast.Name) and base.id in from_gin:
                yield node.attr
    yield from (name for name in from_gin if name.startswith("_"))


def _bad(house: House, is_bad) -> list[str]:
    return [
        f"{room} -> {target} in {', '.join(files)}"
        for (room, target), files in arrows(house).items()
        if is_bad(room, target)
    ]


def _room(path: str) -> str:
    return path.rpartition("/")[0] or "main"


def _target(name: str, folders: set[str]) -> str:
    """Returns the room of an imported name."""
    parts = name.split(".")[1:]
    while parts and "/".join(parts) not in folders:
        parts.pop()
    return "/".join(parts) or "main"
