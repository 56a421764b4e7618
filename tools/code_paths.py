"""The code paths that pins, their variants and the arms of studies use."""

import re
import shlex
from pathlib import Path

import gin
import tensorflow as tf

from tf_shortrun.cli import config, gin_internals
from tools import pins

# Parameters that do not affect any update.
LABELS = {
    *("method", "variant", "scale", "path", "evals", "pictures", "log_every", "checkpoint_every"),
    "watch_every",
}
# Bindings for pins that do not name the file of their data.
PATHS = {"max_entropy_kdd99": ["kdd99.kdd99.path = 'data/kddcup.data_10_percent.gz'"]}

Cases = dict[str, list[str]]  # name -> gin files, and bindings, which contain "="


def all_cases(root: Path) -> Cases:
    """Returns every pin, then the variants in the headers of pins, then the arms of all studies.

    A pin with a cpu scale is returned at that scale, and its paper scale as `<pin>+paper`. Names
    do not contain folders.
    """
    own, besides = {}, {}
    for pin in sorted(root.glob("reproduce/*.gin")):
        commands = _commands(pin)
        own[pin.stem] = commands.pop("cpu" if "cpu" in commands else "paper")
        besides |= {f"{pin.stem}+{name}": settings for name, settings in commands.items()}
    studies = pins.read_studies(root / "reproduce").values()
    return own | besides | {arm: list(s) for study in studies for arm, s in study.arms.items()}


def distinct(cases: Cases) -> Cases:
    """Returns all pins, and those of the other cases whose code path no earlier case has."""
    seen, kept = set(), {}
    for name, settings in cases.items():
        path = code_path(settings)
        if path not in seen or name == Path(settings[0]).stem:
            kept[name] = settings
        seen.add(path)
    return kept


def code_path(settings: list[str]) -> frozenset[str]:
    """Returns all that an experiment calls during training, and the arguments except numbers.

    Two things are kept of numbers: that a number is 0, because 0 often disables something, and the
    length of a list of numbers.
    """
    config.parse(*split(settings))
    bound = [
        (scope, selector, name, _without_numbers(value))
        for (scope, selector), values in gin_internals.bindings().items()
        for name, value in values.items()
        if name not in LABELS
    ]
    path, seen, todo = set(), set(), {s for _, s, _, _ in bound if s.endswith(".Experiment")}
    while todo:
        seen.add(called := todo.pop())
        for scope, selector, name, value in bound:
            if selector == called and value != "number":
                path.add(f"{scope}/{selector}.{name} = {value}")
                parts = filter(_refers, tf.nest.flatten(value))
                todo |= {part.configurable.selector for part in parts} - seen
    return frozenset(path)


def split(settings: list[str]) -> tuple[list[str], list[str]]:
    """Returns (gin files, bindings)."""
    return [s for s in settings if "=" not in s], [s for s in settings if "=" in s]


def _without_numbers(value):
    """Returns a value with macros resolved and each number except 0 replaced by "number"."""
    if _refers(value) and value.configurable.selector == "gin.macro":
        macro = gin_internals.bindings().get(("/".join(value.scopes), "gin.macro"), {})
        return _without_numbers(macro.get("value"))
    if isinstance(value, list | tuple):
        return [_without_numbers(part) for part in value]
    return "number" if type(value) in (int, float) and value else value


def _refers(value) -> bool:
    return isinstance(value, gin.config.ConfigurableReference)


def _commands(pin: Path) -> Cases:
    """Returns the settings of every command in a pin's header, by name ("paper" without one)."""
    found = re.findall(r"^# Command(?:\((\w+)\))?: (.*)", pin.read_text(), re.MULTILINE)
    flags, more = ("--gin_file=", "--gin_bindings="), PATHS.get(pin.stem, [])
    commands = {
        name or "paper": [w for w in shlex.split(s) if w.startswith(flags)] for name, s in found
    }
    return {name: [w.partition("=")[2] for w in words] + more for name, words in commands.items()}
