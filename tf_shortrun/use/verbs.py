"""Verbs for a trained run; `tf-shortrun <verb> --help` says what each takes.

sample       new observations
reconstruct  observations as the model sees them
encode       their latents
decode       observations of latents that encode wrote
interpolate  a path between two observations
traverse     what one layer, or one coordinate of it, controls
inpaint      an image, filled in where the mask is black
score        how unlike the training data observations are
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.arrays import observations
from tf_shortrun.data.columns import Columns
from tf_shortrun.use import outputs, sources
from tf_shortrun.use.run import Run


def _sample(run: Run, given: argparse.Namespace, folder: Path):
    images = run.sample(given.num, given.seed, given.held, given.label)
    _write(run, folder, _numbered("sample", images), images)


def _reconstruct(run: Run, given: argparse.Namespace, folder: Path):
    names, x = sources.read(run, given.inputs)
    images = run.reconstruct(x, given.seed)
    _write(run, folder, names, images, above=_floats(run, x))


def _encode(run: Run, given: argparse.Namespace, folder: Path):
    names, x = sources.read(run, given.inputs)
    outputs.write_latents(folder, names, run.encode(x, given.seed))


def _decode(run: Run, given: argparse.Namespace, folder: Path):
    arrays = sources.read_arrays(given.latents)
    layers = [arrays[f"layer{i}"] for i in range(len(arrays)) if f"layer{i}" in arrays]
    if not layers:
        raise InputError(f"{given.latents} has no layer0: give a latents.npz that encode wrote")
    images = run.decode(layers)
    names = arrays.get("names", _numbered("decoded", images))
    _write(run, folder, [str(name) for name in names], images)


def _interpolate(run: Run, given: argparse.Namespace, folder: Path):
    (a, b) = _floats(run, sources.read(run, [given.a, given.b]).x)
    images = run.interpolate(a, b, given.num, given.path, given.seed)
    _write(run, folder, _numbered("step", images), images)


def _traverse(run: Run, given: argparse.Namespace, folder: Path):
    x = _floats(run, sources.read(run, [given.input]).x)[0] if given.input else None
    images = run.traverse(given.layer, given.coordinate, x, given.num, given.seed)
    _write(run, folder, _numbered("step", images), images)


def _inpaint(run: Run, given: argparse.Namespace, folder: Path):
    names, x = sources.read(run, [given.image])
    mask = np.repeat(sources.read_mask(given.mask, x.shape[1:]), len(x), axis=0)
    images = run.inpaint(x, mask, given.seed)
    _write(run, folder, names, images, above=np.where(mask, _floats(run, x), 0))


def _score(run: Run, given: argparse.Namespace, folder: Path):
    names, x = sources.read(run, given.inputs)
    scores = run.score(x, given.seed)
    columns = {"score": scores}
    if run.knows_percentiles:
        columns["percentile"] = run.percentile(scores)
    outputs.write_scores(folder, names, columns)


VERBS: dict[str, Callable] = {
    work.__name__.removeprefix("_"): work
    for work in (
        *(_sample, _reconstruct, _encode, _decode),
        *(_interpolate, _traverse, _inpaint, _score),
    )
}


def work(arguments: Sequence[str], load: Callable[[str, bool], Run]) -> None:
    """Does what `<verb> <folder of the run> ...` asks for, and prints where the files are.

    Args:
      load: returns the run in a folder, and whether to take its settings as data only.

    Raises:
      InputError: if there is no such run, or it cannot do that with what is given.
    """
    given = _parser().parse_args(arguments)
    run = load(given.run, given.data_only_settings)
    folder = outputs.new_folder(given.run, given.verb, given.out)
    try:
        VERBS[given.verb](run, given, folder)
    except InputError:
        folder.rmdir()  # nothing was written
        raise
    for path in sorted(folder.iterdir()):
        print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tf-shortrun", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    known = {}
    for line in __doc__.splitlines()[2:]:
        name, _, words = line.partition(" ")
        known[name] = one = verbs.add_parser(name, help=words.strip(), description=words.strip())
        one.add_argument(
            "run", help="folder of the trained run, e.g. runs/demo, or tf_shortrun://digits"
        )
        one.add_argument("--out", help="a new folder for the files (default <run>/outputs/...)")
        words = "refuse settings of the run that name more than parts of this package"
        one.add_argument("--data_only_settings", action="store_true", help=words)
        if name != "decode":
            one.add_argument("--seed", type=int, default=0, help="the same seed repeats all")
    for name in ("reconstruct", "encode", "score"):
        words = "pictures, folders, zip files, .npy or .npz; for a run on a table also .csv, .mat"
        known[name].add_argument("inputs", nargs="+", help=words)
    known["decode"].add_argument("latents", help="a latents.npz")
    for name in ("a", "b"):
        known["interpolate"].add_argument(name, help="a picture or an array with one observation")
    known["interpolate"].add_argument(
        "--path", choices=["great_circle", "straight"], default="great_circle"
    )
    _add_what_moves(known["traverse"])
    known["inpaint"].add_argument("image", help="pictures or an array")
    known["inpaint"].add_argument("mask", help="a picture or array, black where to fill in")
    for name, num in (("sample", 64), ("interpolate", 8), ("traverse", 8)):
        known[name].add_argument("--num", type=int, default=num, help="observations to make")
    known["sample"].add_argument(
        "--held", type=int, nargs="+", default=(), help="layers, 0 is the top, that stay the same"
    )
    known["sample"].add_argument(
        "--label", nargs="+", help="number or name of the label of the samples; several take turns"
    )
    return parser


def _add_what_moves(traverse: argparse.ArgumentParser):
    traverse.add_argument("input", nargs="?", help="where to start (default: a sample)")
    traverse.add_argument("--layer", type=int, default=0, help="0 is the top")
    traverse.add_argument("--coordinate", type=int, help="one coordinate (default: the layer)")


def _write(run: Run, folder: Path, names, observed: np.ndarray, above: np.ndarray | None = None):
    """Writes pictures, or rows of a table in its own units."""
    if isinstance(run.preparation, Columns):
        rows = run.preparation.back(observed)
        outputs.write_rows(folder, names, run.preparation.names, rows)
    else:
        outputs.write_images(folder, names, observed, above)


def _numbered(word: str, images: np.ndarray) -> list[str]:
    return [f"{word}_{i:05d}" for i in range(len(images))]


def _floats(run: Run, x: np.ndarray) -> np.ndarray:
    return observations(x, tuple(run.learner.image_shape)).numpy()
