"""The card beside a served model: what it is, of which data, its numbers, its calls, its limits."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_shortrun.core.version import __version__
from tf_shortrun.data.columns import Columns
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import checks
from tf_shortrun.export.signatures import Signature

DATA = "assets.extra/data.json"

# As their authors, or those who give them out, state it; by the beginning of a data set's name.
_LICENCES = {
    **dict.fromkeys(
        ("mnist", "stacked_mnist", "binarized_mnist"), "CC BY-SA 3.0 (Y. LeCun, C. Cortes)"
    ),
    "fashion_mnist": "MIT (Zalando SE)",
    "celeba": "for non-commercial research only (agreement of CelebA)",
    "svhn": "for non-commercial use only (SVHN)",
}
_UNKNOWN_LICENCE = "not known to this program: see where the data come from"

_LIMITS = """\
- It makes observations like those of its data, with their gaps and biases. A score says how unlike
  the data something is, not why; choose thresholds on data of your own.
- The same inputs give the same outputs, up to rounding on other hardware.
- Distances compare only with those of the same extractor, sample count and reference.
- Inputs are checked. Where a server puts calls together, a refused row refuses all calls of its
  batch: send them again one by one."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    data: name of the data set, "" if that is not known.
    preparation: how a picture, or a row of a table, becomes an observation; None if that is not
      known.
    result: the fields of `results.json`; empty if there is none.
    classes: names of the labels 0, 1, ...; () if they have none.
    """

    data: str = ""
    preparation: Preparation | Columns | None = None
    result: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    classes: Sequence[str] = ()


def write(
    folder: Path,
    name: str,
    shape: list[int],
    signatures: Mapping[str, Signature],
    origin: Origin,
) -> None:
    """Writes `model_card.md`, and `data.json` with the preparation for programs."""
    preparation = origin.preparation and origin.preparation.describe()
    content = {
        "name": origin.data,
        "shape": shape,
        "preparation": preparation,
        "classes": list(origin.classes),
    }
    (folder / DATA).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    parts = [
        f"# {name}",
        _what(origin.result),
        f"## Data\n\n{_data(origin)}",
        *_numbers(origin.result),
        f"## Calls\n\n{_calls(signatures, shape)}",
        f"## Limits\n\n{_LIMITS}",
        f"## How to cite\n\ntf_shortrun {__version__}, by its `CITATION.cff`, and the paper of the "
        "method, which the page of the method names.",
    ]
    (folder / "model_card.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _what(result: Mapping[str, Any]) -> str:
    if not result:
        return f"A generative model, trained by tf_shortrun {__version__}; no evaluation is known."
    variant = f", variant {result['variant']}" if result["variant"] else ""
    return (
        f"A generative model by the method `{result['method']}`{variant}: {result['steps']} "
        f"updates, seed {result['seed']}, settings of the scale `{result['scale']}`, tf_shortrun "
        f"{result['versions'].get('tf_shortrun', '?')}, commit {result['commit'] or 'unknown'}.\n\n"
        f"    {result['command']}"
    )


def _data(origin: Origin) -> str:
    known = [name for name in _LICENCES if origin.data.startswith(name)]
    licence = _LICENCES[max(known, key=len)] if known else _UNKNOWN_LICENCE
    lines = [f"- data set: {origin.data or 'not known'}", f"- licence of the data: {licence}"]
    if origin.preparation:
        lines.append(f"- {origin.preparation.words}")
    return "\n".join(lines)


def _numbers(result: Mapping[str, Any]) -> list[str]:
    """Returns the table of metrics; the name of a distance ends with that of its extractor."""
    if not result.get("metrics"):
        return []
    lines = ["| metric | value | better | how it was made |", "| --- | --- | --- | --- |"]
    for name, value in result["metrics"].items():
        made = " ".join(result["protocol"][name].split()).replace("|", r"\|")
        lines.append(f"| `{name}` | {value:.6g} | {result['better'][name]} | {made} |")
    return ["## Numbers\n\n" + "\n".join(lines)]


def _calls(signatures: Mapping[str, Signature], shape: list[int]) -> str:
    lines = ["| signature | inputs |", "| --- | --- |"]
    for name, signature in signatures.items():
        inputs = ", ".join(f"`{key}` {_type(spec)}" for key, spec in signature.inputs.items())
        lines.append(f"| `{name}` | {inputs} |")
    size = 4 * math.prod(shape)
    return "\n".join(lines) + (
        f"\n\nAn observation is float32 {shape}, {size} bytes; JSON takes up to four times as "
        f"many. One call has at most {checks.most(shape)} ({checks.MAX_BYTES} bytes)."
    )


def _type(spec: tf.TensorSpec) -> str:
    sizes = ", ".join("B" if size is None else str(size) for size in spec.shape)
    return f"{spec.dtype.name} [{sizes}]"
