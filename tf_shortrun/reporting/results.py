"""The file of a result: one run, its numbers, and where they come from."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Literal

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json, replace_text

STATUS = ("finished", "diverged")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one run was and what it reached; the fields are the keys of the file.

    `scale` is `cpu` or `paper`, or `paper network, n updates` for a network of the published size
    that trained for minutes only. `variant` says what else differs, "" for nothing. `status` says
    how it ended: a run that diverged has no metrics, and `steps` is the update in which it broke.
    By the name of a metric, `protocol` has a sentence on what it is and how it was made, and
    `better` which way is better: "lower", "higher" or "". `changes` has the settings that changed
    while the run was made, with name, before, now and step. `rollbacks` has the ways back to the
    state after `step` updates, and `what` broke in update `failed`; each halved the rates.
    `score_percentiles` has the scores that so many percent of training examples do not exceed, by
    percent, if the learner scores. `validation` has the metric, value and step of the best state on
    held-out training examples, if there were such: the metrics are those of that state. `data` says
    what was read: numbers of examples, shape, and what the loader tells of its split and of odd
    files.

    Raises:
      InputError: if scale or status is unknown, or a metric has no word in `protocol` or `better`.
    """

    method: str
    dataset: str
    variant: str
    seed: int
    scale: str
    steps: int
    seconds: float
    hardware: dict
    versions: dict[str, str]
    commit: str | None
    command: str
    status: Literal["finished", "diverged"]
    metrics: dict[str, float]
    protocol: dict[str, str]
    better: dict[str, Literal["lower", "higher", ""]]
    changes: list[dict] = dataclasses.field(default_factory=list)
    rollbacks: list[dict] = dataclasses.field(default_factory=list)
    score_percentiles: dict[str, float] = dataclasses.field(default_factory=dict)
    validation: dict[str, str | float | int] = dataclasses.field(default_factory=dict)
    data: dict[str, str | int | list[int]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not re.fullmatch(r"cpu|paper|paper network, [\d,]+ updates", self.scale):
            raise InputError(f"scale is {self.scale!r}: choose 'cpu' or 'paper'")
        if self.status not in STATUS:
            raise InputError(f"status is {self.status!r}: choose one of {', '.join(STATUS)}")
        for words in (self.protocol, self.better):
            if words.keys() != self.metrics.keys():
                name = min(words.keys() ^ self.metrics.keys())
                raise InputError(f"{name!r} needs a number, a sentence and which way is better")

    @property
    def name(self) -> str:
        """What a pin is called that gives this result: <method>_<dataset>[_<variant>]."""
        return "_".join(filter(None, [self.method, self.dataset, self.variant]))


def write(path: Path, **fields) -> None:
    """Writes the fields of a `Result` as JSON, all or nothing.

    Raises:
      InputError: as `Result` does; nothing is written then.
    """
    fields["metrics"] = {name: float(value) for name, value in fields["metrics"].items()}
    replace_text(path, json.dumps(dataclasses.asdict(Result(**fields)), indent=2) + "\n")


def read(path: Path) -> Result:
    """The result in a file.

    Raises:
      InputError: if there is no such file or it holds something else.
    """
    try:
        return Result(**parse_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: train and evaluate first") from None
    except (InputError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a result: {reason}; write it anew") from None


def fields(path: Path) -> dict:
    """The fields of the result in a file, empty if there is no file.

    Raises:
      InputError: if it holds something else.
    """
    return dataclasses.asdict(read(path)) if path.exists() else {}
