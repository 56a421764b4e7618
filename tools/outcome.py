"""What a finished run left, without times: equal for a run that was killed and one that was not."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.training import rows
from tf_shortrun.training.evaluate import Speed
from tools.digests import digest

_CLOCK = {*Speed.metrics, "seconds"}
_EXPORTED = "saved_model/*/variables/variables.index"
_LEFTOVERS = (".*", "lock*", "checkpoints/.*", "checkpoints/*_temp*")


def outcome(workdir: Path) -> dict[str, str]:
    """Returns weights, history, results, pictures and exported weights as text, each by a name.

    Of arrays and pictures that is a digest of their bytes. The exported weights have one digest,
    since their order differs. What only a process that was killed leaves behind is named too.
    """
    newest = max(workdir.glob("checkpoints/*.index")).with_suffix("")
    weights = {name: digest([array]) for name, array in _arrays(newest).items()}
    models = [_arrays(path.with_suffix("")) for path in workdir.glob(_EXPORTED)]
    exported = " ".join({digest(model.values()) for model in models})  # of every version
    lines = {row["step"]: without_clock(row) for row in rows.read(workdir / "history.jsonl")}
    history = {f"history/{step}": json.dumps(line) for step, line in lines.items()}
    pictures = {path.name: digest([_bytes(path)]) for path in workdir.glob("*.png")}
    leftovers = {path.name: "left" for name in _LEFTOVERS for path in workdir.glob(name)}
    return {**weights, "exported": exported, **history, **_result(workdir), **pictures, **leftovers}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Returns the names of what only one has, or what is not equal."""
    return sorted({name for name, _ in one.items() ^ other.items()})


def without_clock(numbers: Mapping) -> dict:
    """Returns metrics or a row of a history without times and memory, which differ in every run."""
    return {name: value for name, value in numbers.items() if name not in _CLOCK}


def _result(workdir: Path) -> dict[str, str]:
    result = without_clock(json.loads((workdir / "results.json").read_text()))
    for kind in ("metrics", "protocol", "better"):  # each by the name of a metric
        numbers = without_clock(result.pop(kind, {}))
        result |= {f"{kind}/{name}": x for name, x in numbers.items()}
    return {name: json.dumps(x) for name, x in result.items() if name != "command"}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(path))
    names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def _bytes(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), np.uint8)
