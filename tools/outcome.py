"""What a finished run left, without times: equal for a run that was killed and one that was not."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.training import rows
from tf_shortrun.training.evaluate import Speed

_CLOCK = {*Speed.metrics, "seconds"}
_LEFTOVERS = (".*", "lock*", "checkpoints/.*", "checkpoints/*_temp*")


def outcome(workdir: Path) -> dict[str, str]:
    """Returns weights, history, results, pictures and exported weights as text, each by a name.

    Of arrays and pictures that is a digest of their bytes. What only a process that was killed
    leaves behind is named too.
    """
    lines = {row["step"]: without_clock(row) for row in rows.read(workdir / "history.jsonl")}
    history = {f"history/{step}": json.dumps(line) for step, line in lines.items()}
    result = without_clock(json.loads((workdir / "results.json").read_text()))
    result |= {f"metrics/{name}": x for name, x in without_clock(result.pop("metrics")).items()}
    result = {name: json.dumps(x) for name, x in result.items() if name != "command"}
    pictures = {path.name: _digest(path.read_bytes()) for path in workdir.glob("*.png")}
    exported = _arrays(workdir / "saved_model/1/variables/variables")
    leftovers = {path.name: "left" for name in _LEFTOVERS for path in workdir.glob(name)}
    newest = max(workdir.glob("checkpoints/*.index")).with_suffix("")
    return {**_arrays(newest), **history, **result, **pictures, **exported, **leftovers}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Returns the names of what only one has, or what is not equal."""
    return sorted({name for name, _ in one.items() ^ other.items()})


def _arrays(path: Path) -> dict[str, str]:
    reader = tf.train.load_checkpoint(str(path))
    names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    arrays = {name: np.asarray(reader.get_tensor(name)) for name in names}
    kind = path.name.split("-")[0]
    return {f"{kind}/{name}": _digest(array.tobytes()) for name, array in arrays.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def without_clock(numbers: Mapping) -> dict:
    """Returns metrics or a row of a history without times and memory, which differ in every run."""
    return {name: value for name, value in numbers.items() if name not in _CLOCK}
