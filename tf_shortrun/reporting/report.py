"""One page about one run, complete in itself: numbers, curves, pictures, settings."""

import base64
import collections
from pathlib import Path

from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json, replace_text
from tf_shortrun.reporting import curves, figure, results
from tf_shortrun.reporting.charts import number
from tf_shortrun.reporting.pages import page
from tf_shortrun.reporting.results import Result

NUM_CARDS = 6
PICTURE_WIDTH = 680  # pixels; small pictures are enlarged towards it by a whole factor


def report(workdir: Path) -> Path:
    """Writes `report.html` (and `step_sizes.svg` and `.pdf`) from the files in `workdir`.

    Reads `results.json`, and where they are there `history.jsonl` (a line each:
    {"step", "seconds" since the start, names...}), `validation.jsonl`, `step_sizes.jsonl`,
    `operative.gin`, `pictures.json` (captions by name) and every `*.png`.
    The page loads nothing from elsewhere.

    Returns:
      The path of the page.

    Raises:
      InputError: if there is no result, or a file is not what its name says.
    """
    result = results.read(workdir / "results.json")
    settings, step_sizes = workdir / "operative.gin", curves.step_size_charts(workdir)
    if step_sizes:  # also as a picture of its own, for other pages
        figure.write(workdir / "step_sizes.svg", step_sizes)
    text = page(
        "report.html",
        result=result,
        title=f"{result.method} on {', '.join(filter(None, [result.dataset, result.variant]))}",
        duration=_duration(result.seconds),
        machine=_machine(result.hardware),
        num_cards=NUM_CARDS,
        metrics=[_metric(result, name) for name in result.metrics],
        pictures=_pictures(workdir),
        curves=[figure.inline(chart) for chart in curves.history_charts(workdir)],
        step_sizes=[figure.inline(chart) for chart in step_sizes],
        settings=settings.read_text(encoding="utf-8") if settings.exists() else "",
        data=_data(result.data),
        events=_events(result),
        facts=_facts(result),
    )
    replace_text(workdir / "report.html", text)
    return workdir / "report.html"


def _machine(hardware: dict) -> str:
    gpus = collections.Counter(hardware["gpus"]).items()
    return ", ".join(f"{n} x {gpu}" for gpu, n in gpus) or "{cpu}, {cores} cores".format(**hardware)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _metric(result: Result, name: str) -> dict[str, str]:
    """What the page says of a number."""
    value, better = result.metrics[name], result.better[name]
    return {
        "name": name,
        "short": number(value),
        "value": f"{value:.6g}",
        "better": f"{better} is better" if better else "for comparison",
        "meaning": result.protocol[name],
    }


def _pictures(workdir: Path) -> list[dict]:
    captions = _captions(workdir / "pictures.json")
    there = sorted(path.stem for path in workdir.glob("*.png"))
    names = dict.fromkeys([*(name for name in captions if name in there), *there])
    return [_picture(workdir / f"{name}.png", captions.get(name, "")) for name in names]


def _captions(path: Path) -> dict[str, str]:
    """How to read pictures, by name in the order of the page; others come after, by name."""
    try:
        captions = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {name: str(caption) for name, caption in captions.items()}
    except (ValueError, AttributeError):
        raise InputError(f"{path} has no captions: delete it or draw the pictures anew") from None


def _picture(path: Path, caption: str) -> dict:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
    except OSError:
        raise InputError(f"{path} is not a PNG picture: delete it or draw it anew") from None
    times = max(1, PICTURE_WIDTH // width)
    data = base64.b64encode(path.read_bytes()).decode()
    size = {"width": width * times, "height": height * times}
    return {"name": path.stem, "caption": caption, "data": data, **size}


def _data(data: dict) -> dict[str, str]:
    """Returns what is known of the data, by a word or two; nothing for results before this."""
    if not data:
        return {}
    told = {name.replace("_", " "): str(words) for name, words in data.items()}
    del told["num train"], told["num test"]
    shape = " x ".join(map(str, data["shape"]))
    return {
        "examples": f"{data['num_train']:,} for training, {data['num_test']:,} for testing",
        **told,
        "shape": shape,
    }


def _events(result: Result) -> list[str]:
    """Returns what happened besides training, a sentence each."""
    events = [
        "After {step:,} updates {name} was changed from {before} to {now}.".format(
            **change | {side: change[side] or "nothing" for side in ("before", "now")}
        )
        for change in result.changes
    ]
    events += [
        "In update {failed:,}: {what}. The run went back to update {step:,}, with other noise and "
        "half the learning rates.".format(**rollback)
        for rollback in result.rollbacks
    ]
    if result.validation:
        events.append(
            "The numbers and pictures are those after {step:,} updates, when {metric} of "
            "validation examples was best: {value:.6g}.".format(**result.validation)
        )
    return events


def _facts(result: Result) -> dict[str, str]:
    gpus = ", ".join(result.hardware["gpus"]) or "none"
    return result.hardware | {"gpus": gpus} | result.versions
