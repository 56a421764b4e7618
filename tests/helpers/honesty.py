"""Rules on capabilities: classes must not claim what they cannot do.

Each rule returns a line for each violation. A house is defined in `house.py`. A capability is any
`Protocol`. Only `can` and `require` of `core/capabilities.py` check capabilities.
"""

import ast
import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

House = Mapping[str, str]
ASKS = "core/capabilities.py"
CONSTRUCTORS = {"__init__", "__post_init__"}  # a subclass may extend them


class Class(NamedTuple):
    """A class of the house. `body` maps names to the statements that define them."""

    path: str
    name: str
    bases: list[str]
    body: dict[str, ast.stmt]

    @property
    def is_protocol(self) -> bool:
        return "Protocol" in self.bases


def classes(house: House) -> dict[str, Class]:
    """Returns the classes by name, which is unique in the house."""
    return {
        node.name: Class(path, node.name, [_name(b) for b in node.bases], dict(_body(node)))
        for path, source in house.items()
        for node in _nodes(source)
        if isinstance(node, ast.ClassDef)
    }


def capabilities(house: House) -> dict[str, set[str]]:
    """Returns the public names that each protocol itself declares."""
    return {
        c.name: {name for name in c.body if not name.startswith("_")}
        for c in classes(house).values()
        if c.is_protocol
    }


def overrides(house: House) -> list[str]:
    """Finds overrides of concrete names: a class of the house is abstract or final."""
    known = classes(house)
    return [
        f"{c.path}: {c.name}.{name} overrides that of {above.name}"
        for c in known.values()
        for above in _above(c, known)
        for name in sorted(c.body.keys() & above.body.keys() - CONSTRUCTORS)
        if _is_concrete(above.body[name])
    ]


def redeclared(house: House) -> list[str]:
    """Finds protocols that declare a name of a base again, or that add no name."""
    known = classes(house)
    found = []
    for c in known.values():
        inherited = {name for above in _above(c, known, protocols=True) for name in above.body}
        own = {name for name in c.body if not name.startswith("_") or name == "__call__"}
        if c.is_protocol and (own & inherited or not own):
            found.append(f"{c.path}: {c.name} declares {sorted(own & inherited) or 'nothing'}")
    return found


def empty_claims(house: House) -> list[str]:
    """Finds names of a capability that are None, or methods that only raise an error."""
    names = set().union(*capabilities(house).values())
    return [
        f"{c.path}: {c.name}.{name} is there and does not work"
        for c in classes(house).values()
        for name, statement in c.body.items()
        if name in names and not c.is_protocol and _is_empty(statement)
    ]


def refusals(house: House) -> list[str]:
    """Finds errors for a missing capability outside `require`, and `isinstance` of protocols."""
    names = capabilities(house).keys()
    return [
        f"{path}:{node.lineno} refuses by hand"
        for path, source in house.items()
        if path != ASKS
        for node in _nodes(source)
        if _asks_by_isinstance(node, names) or _raises_for_lack(node)
    ]


def late(house: House) -> list[str]:
    """Finds evals and pictures that ask for a capability when they are called, not in `check`."""
    return [
        f"{c.path}: {c.name} asks only after training"
        for c in classes(house).values()
        if {"metrics", "captions"} & c.body.keys() and "__call__" in c.body
        if any(_name(n.func) == "require" for n in _calls(c.body["__call__"]))
    ]


RULES = (overrides, redeclared, empty_claims, refusals, late)


@functools.cache
def _nodes(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


def _body(node: ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Assign):
            yield from ((_name(target), statement) for target in statement.targets)
        elif isinstance(statement, ast.AnnAssign):
            yield _name(statement.target), statement


def _above(c: Class, known: Mapping[str, Class], protocols: bool = False) -> Iterator[Class]:
    """Yields the classes of the house that `c` inherits from."""
    for base in c.bases:
        if base in known:
            if known[base].is_protocol == protocols:
                yield known[base]
            yield from _above(known[base], known, protocols)


def _is_concrete(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    decorators = getattr(statement, "decorator_list", [])
    return "abstractmethod" not in {_name(d) for d in decorators}


def _is_empty(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.FunctionDef):
        return isinstance(statement.value, ast.Constant) and statement.value.value is None
    rest = [s for s in statement.body if not isinstance(s, ast.Expr | ast.Delete)]
    return bool(rest) and isinstance(rest[0], ast.Raise)


def _asks_by_isinstance(node: ast.AST, names) -> bool:
    if not (isinstance(node, ast.Call) and _name(node.func) == "isinstance"):
        return False
    return any(_name(part) in names for part in ast.walk(node.args[1]))


def _raises_for_lack(node: ast.AST) -> bool:
    """Returns whether a node is `if not can(...): raise ...`, or the same with `else`."""
    if not isinstance(node, ast.If):
        return False
    asked = [part for part in ast.walk(node.test) if _is_can(part)]
    denied = [
        part
        for part in ast.walk(node.test)
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not)
        if any(map(_is_can, ast.walk(part)))
    ]
    branch = node.body if denied else node.orelse if asked else []
    return any(isinstance(statement, ast.Raise) for statement in branch)


def _calls(node: ast.AST) -> list[ast.Call]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Call)]


def _is_can(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "can"


def _name(node: ast.AST) -> str:
    """Returns the last part of a dotted name, or "" for anything else."""
    return getattr(node, "attr", getattr(node, "id", ""))
