"""The configuration of a run, kept with its checkpoints: a run goes on as what it was.

A configuration maps the name of every setting that decides the result to its value as text. It says
nothing of where files lie or how often they are written. The data are in it by a digest.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json, replace_text
from tf_shortrun.training.course import Course

Configuration = Mapping[str, str]


class Settings(NamedTuple):
    """What a command knows of an experiment besides its course and learner.

    text: that of a gin file, kept as `operative.gin`.   configuration: as in this module; empty for
    what the course says.   accept_changes: whether a run may go on with another configuration.
    """

    text: str = ""
    configuration: Configuration = {}
    accept_changes: bool = False


class Change(NamedTuple):
    """A setting that was changed when a run went on after `step` updates; "" for none."""

    name: str
    before: str
    now: str
    step: int


def of_course(course: Course) -> dict[str, str]:
    """Returns what a course says: for a learner from Python code, where nothing else is known."""
    names = ("batch_size", "seed", "adapt_every", "jit_compile")
    of_validation = {}
    if course.validation is not None:
        judge, held_out = type(course.validation).__name__, course.trained_on.num_held_out
        of_validation = {"validation": judge, "num_held_out": str(held_out)}
    named = {name: str(getattr(course, name)) for name in names}
    return named | of_validation | of_data(course)


def of_data(course: Course) -> dict[str, str]:
    """Returns name and digest of the data."""
    return {"data": f"{course.dataset.name} {course.dataset.digest}"}


class Kept:
    """The configuration that a folder of checkpoints was made with, and its changes since.

    Raises:
      InputError: if the file is not what this class writes.
    """

    def __init__(self, folder: Path):
        self._path = folder / "configuration.json"
        self.configuration: dict[str, str] = {}
        self.changes: list[Change] = []
        if self._path.exists():
            self._read()

    def compare(self, now: Configuration, step: int) -> list[Change]:
        """Returns how `now` differs at `step` from what is kept; nothing if nothing is kept."""
        if not self.configuration:
            return []
        names = sorted(self.configuration.keys() | now.keys())
        pairs = [(name, self.configuration.get(name, ""), now.get(name, "")) for name in names]
        return [Change(name, old, new, step) for name, old, new in pairs if old != new]

    def write(self, now: Configuration, changes: list[Change]):
        """Keeps `now`, and `changes` behind those before."""
        self.configuration, self.changes = dict(now), [*self.changes, *changes]
        content = {
            "configuration": self.configuration,
            "changes": [change._asdict() for change in self.changes],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self._path, json.dumps(content, indent=1) + "\n")

    def _read(self):
        try:
            content = parse_json(self._path.read_text(encoding="utf-8"))
            self.configuration = dict(content["configuration"])
            self.changes = [Change(**change) for change in content["changes"]]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{self._path} cannot be read ({error}): delete it to go on as any configuration"
            ) from error


def agree(folder: Path, is_resumed: bool, course: Course, settings: Settings) -> Callable:
    """Returns `keep(step)`, which keeps the configuration of a run that begins after `step`.

    Raises:
      InputError: if the checkpoints have another configuration, and changes are not accepted.
    """
    now = settings.configuration or of_course(course)
    kept = Kept(folder)
    changes = kept.compare(now, 0) if is_resumed else []
    refuse(changes, folder, settings.accept_changes)
    return lambda step: kept.write(now, [change._replace(step=step) for change in changes])


def refuse(changes: list[Change], folder: Path, accept: bool):
    """Raises InputError if there are changes; the message names the first and the remedies."""
    if not changes or accept:
        return
    first, *others = changes
    more = f" (and {len(others)} more)" if others else ""
    raise InputError(
        f"{first.name} is {first.now or 'not set'}, but the checkpoints in {folder} were made with "
        f"{first.before or 'none'}{more}: use another --workdir, --fresh to start over, or "
        "--accept_changes to go on and record the change"
    )
