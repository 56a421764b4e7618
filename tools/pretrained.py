"""Makes a small folder of a trained run, to pass on: its weights without optimizers, and its card.

    python -m tools.pretrained runs/digits reproduce/pretrained/digits

`sr.load` takes the folder as it takes a run. Those in reproduce/pretrained come with the package,
as `tf_shortrun://<name>`.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import shutil
import sys
from pathlib import Path

from tf_shortrun import api
from tf_shortrun.core.errors import InputError
from tf_shortrun.training import weights
from tf_shortrun.use import pretrained
from tools import command

FILES = ("operative.gin", "data.json", "results.json")
CARD = "saved_model/*/model_card.md"


def make(run: Path, folder: Path) -> None:
    """Writes the folder.

    Raises:
      InputError: if it exists, or the run is not finished.
    """
    if folder.exists():
        raise InputError(f"{folder} exists: choose a new folder, or delete it")
    cards = sorted(run.glob(CARD))
    missing = [name for name in FILES if not (run / name).exists()]
    if missing or not cards:
        raise InputError(f"{run} has no {', '.join(missing) or CARD}: give a finished run")
    learner = api.load(run).learner
    folder.mkdir(parents=True)
    for path in (*(run / name for name in FILES), cards[-1]):
        shutil.copy(path, folder / path.name)
    weights.write(learner, folder)
    pretrained.write_sums(folder)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("pretrained", __doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("folder", type=Path, help="the new folder")
    return command.run(parser, _make, arguments)


def _make(options) -> int:
    make(options.run, options.folder)
    size = (options.folder / weights.FILE).stat().st_size
    print(f"{options.folder}: {size:,} bytes of weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
