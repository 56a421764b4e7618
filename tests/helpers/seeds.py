"""Rules on seeds: a seed must not be used twice, and its purpose must have a name.

Each rule returns a line for each violation. A house is defined in `house.py`.
"""

import ast
from collections.abc import Iterator, Mapping

House = Mapping[str, str]
NAMES = "core/noise.py"


def unnamed(house: House) -> list[str]:
    """Finds `fold` with a literal number: a purpose is a word of `stream`, and `fold` counts."""
    return [
        f"{where} folds {ast.unparse(call.args[1])}"
        for where, _, call in _calls(house, "fold")
        if any(isinstance(part, ast.Constant) for part in ast.walk(call.args[1]))
    ]


def unreadable(house: House) -> list[str]:
    """Finds computed words of streams: a word must be a literal."""
    return [
        f"{where} has a computed word"
        for where, _, call in _calls(house, "stream")
        if not isinstance(call.args[1], ast.Constant)
    ]


def twice(house: House) -> list[str]:
    """Finds two streams of the same seed with the same word in one function."""
    seen, found = set(), []
    for where, function, call in _calls(house, "stream"):
        key = (where.split(":")[0], function, ast.unparse(call))
        found += [f"{where} uses {key[-1]} again"] if key in seen else []
        seen.add(key)
    return found


def mixed(house: House) -> list[str]:
    """Finds seeds that are folded by a count and also used or passed on directly."""
    found = []
    for path, source in house.items():
        for function in _functions(source):
            uses = {"fold": set(), "stream": set()}
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _name(call.func) in uses:
                    uses[_name(call.func)].add(call.args[0])
            folded = {node.id for node in uses["fold"] if isinstance(node, ast.Name)}
            derived = uses["fold"] | uses["stream"]
            found += [
                f"{path}:{node.lineno} uses {node.id} as it is, and folds it"
                for node in ast.walk(function)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
                if node.id in folded and node not in derived and path != NAMES
            ]
    return found


RULES = (unnamed, unreadable, twice, mixed)


def _calls(house: House, name: str) -> Iterator[tuple[str, str, ast.Call]]:
    """Yields place, function and node of every call of `name`."""
    for path, source in house.items():
        if path == NAMES:
            continue
        for function in _functions(source):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _name(node.func) == name and len(node.args) == 2:
                    yield f"{path}:{node.lineno}", function.name, node


def _functions(source: str) -> Iterator[ast.FunctionDef]:
    """Yields functions and methods. A nested function belongs to the outer one."""
    pending = list(ast.parse(source).body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            pending = node.body + pending


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))
