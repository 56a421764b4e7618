"""The ways through the code that pins, their variants and the arms of studies take."""

import re
import shlex
from pathlib import Path

import gin
import tensorflow as tf

from tf_shortrun.cli import config
from tools import pins

# Parameters that no update depends on.
LABELS = {
    *("method", "variant", "scale", "path", "evals", "pictures", "log_every", "checkpoint_every"),
}
# What a pin needs where it does not say which file it reads.
PATHS = {"max_entropy_kdd99": ["kdd99.kdd99.path = 'data/kddcup.data_10_percent.gz'"]}

Cases = dict[str, list[str]]  # by name: gin files, and bindings, which have a "="


@gin.register
def _nothing():
    """For `config.load` of what is only to be read."""


def all_cases(root: Path) -> Cases:
    """Every pin, then what their headers offer besides, then the arms of all studies.

    A pin is at cpu scale if it has one, and then offers `<pin>+paper` besides. No name has a folder
    in it.
    """
    own, besides = {}, {}
    for pin in sorted(root.glob("reproduce/**/*.gin")):
        if pin.parent.name != "studies":
            commands = _commands(pin)
            own[pin.stem] = commands.pop("cpu" if "cpu" in commands else "paper")
            besides |= {f"{pin.stem}+{name}": settings for name, settings in commands.items()}
    studies = pins.read_studies(root / "reproduce").values()
    return own | besides | {arm: list(s) for study in studies for arm, s in study.arms.items()}


def distinct(cases: Cases) -> Cases:
    """Pins, and of the others those that take another way than all before."""
    seen, kept = set(), {}
    for name, settings in cases.items():
        path = code_path(settings)
        if path not in seen or name == Path(settings[0]).stem:
            kept[name] = settings
        seen.add(path)
    return kept


def code_path(settings: list[str]) -> frozenset[str]:
    """What an experiment calls in order to learn, and with what but numbers.

    Of numbers only 0 counts, which often stands for nothing, and how many there are in a list.
    """
    config.load(*split(settings), kind=_nothing)
    bound = [
        (scope, selector, name, _without_numbers(value))
        for (scope, selector), values in gin.config._CONFIG.items()
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
    """Files, bindings."""
    return [s for s in settings if "=" not in s], [s for s in settings if "=" in s]


def _without_numbers(value):
    """The value that a macro stands for, with "number" for each number."""
    if _refers(value) and value.configurable.selector == "gin.macro":
        macro = gin.config._CONFIG.get(("/".join(value.scopes), "gin.macro"), {})
        return _without_numbers(macro.get("value"))
    if isinstance(value, list | tuple):
        return [_without_numbers(part) for part in value]
    return "number" if type(value) in (int, float) and value else value


def _refers(value) -> bool:
    return isinstance(value, gin.config.ConfigurableReference)


def _commands(pin: Path) -> Cases:
    """The settings of every command in the header of a pin; that without a name is "paper"."""
    found = re.findall(r"^# Command(?:\((\w+)\))?: (.*)", pin.read_text(), re.MULTILINE)
    flags, more = ("--gin_file=", "--gin_bindings="), PATHS.get(pin.stem, [])
    commands = {
        name or "paper": [w for w in shlex.split(s) if w.startswith(flags)] for name, s in found
    }
    return {name: [w.partition("=")[2] for w in words] + more for name, words in commands.items()}
