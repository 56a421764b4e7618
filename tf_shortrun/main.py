"""One command for an experiment: tf-shortrun [verb] --gin_file=FILE [flags]

train     trains, or goes on from the last checkpoint, evaluates, reports, exports (the default)
              tf-shortrun --gin_file=reproduce/demo.gin
              tf-shortrun --images=photos [--image_size=48x64]
evaluate  numbers, pictures and report of the last checkpoint
              tf-shortrun evaluate --gin_file=reproduce/demo.gin
export    the SavedModel of the last checkpoint
              tf-shortrun export --gin_file=reproduce/demo.gin
report    report.html from what lies in the working directory
              tf-shortrun report --gin_file=reproduce/demo.gin
doctor    what is installed here, and which data can be read
              tf-shortrun doctor
sample reconstruct encode decode interpolate traverse inpaint score
          what a trained run can do, each with its own --help
              tf-shortrun sample runs/demo --num=64
distances between two folders of images, with its own --help
              tf-shortrun distances photos runs/demo/outputs/sample_1/images --image_size=32
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import os
import shlex
import sys
from pathlib import Path

from absl import app, flags

from tf_shortrun import api
from tf_shortrun.cli import config, distances, doctor, own_images, process, streams, work
from tf_shortrun.cli import workdir as names
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.preview import preview
from tf_shortrun.reporting.report import report
from tf_shortrun.training import together, workers
from tf_shortrun.use import verbs

_GIN_FILES = flags.DEFINE_multi_string(
    "gin_file", [], "a gin file, your own or from the package; later files override earlier ones"
)
_BINDINGS = flags.DEFINE_multi_string("gin_bindings", [], "a gin binding, overrides the files")
_IMAGES = flags.DEFINE_string(
    "images", None, "a folder or zip file of your own images; gin files after it change the method"
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size", None, "of --images: auto, a side such as 64, or HEIGHTxWIDTH such as 48x64"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder for all output (default runs/<settings>)")
_FRESH = flags.DEFINE_bool("fresh", False, "start over instead of resuming from a checkpoint")
_DRY = flags.DEFINE_bool("dry_run", False, "show model, arithmetic, time, memory; write nothing")
_ACCEPT = flags.DEFINE_bool(
    "accept_changes", False, "go on although settings changed, and record what changed"
)
_EXPORT = flags.DEFINE_bool(
    "export", True, "write a SavedModel in the end; --noexport leaves it to the verb export"
)
_DATA_ONLY = flags.DEFINE_bool(
    "data_only_settings", False, "refuse gin files that name more than parts of this package"
)


_WITH_OPTIONS = {  # of their own
    **dict.fromkeys(verbs.VERBS, lambda arguments: verbs.work(arguments, api.load)),
    distances.NAME: lambda arguments: distances.work(arguments[1:]),
}


def main(argv: list[str]):
    if argv[1:2] and argv[1] in _WITH_OPTIONS:
        return _WITH_OPTIONS[argv[1]](argv[1:])
    streams.check_encoding([*sys.argv, os.getcwd()])
    verb = argv[1] if len(argv) > 1 else "train"
    if len(argv) > 2 or verb not in (*work.VERBS, "report", "doctor"):
        known = ", ".join([*work.VERBS, "report", "doctor", *_WITH_OPTIONS])
        raise InputError(f"{' '.join(argv[1:])!r} is not a verb: use one of {known}")
    if verb == "doctor":
        return doctor.doctor()
    asked = (_IMAGES.value, _IMAGE_SIZE.value, _GIN_FILES.value, _BINDINGS.value)
    files, bindings = own_images.resolve(*asked)
    place = Path(_WORKDIR.value or names.of_run(files, bindings))
    if verb == "report":
        return print(report(place))
    if verb != "train" and workers.are_several():
        raise InputError(f"{verb} runs only on one machine: unset TF_CONFIG")
    strategy = workers.strategy()
    experiment = config.load(files, bindings, _DATA_ONLY.value)
    with config.explained():
        learner = experiment.build(strategy)
    config.check_used()
    if _DRY.value:
        return print(preview(experiment, strategy, learner))
    do = work.VERBS[verb] if workers.leads(strategy) else work.follow
    asked = work.Asked(place, _FRESH.value, _ACCEPT.value, _EXPORT.value, _command())
    return do(experiment, strategy, learner, asked)


def _command() -> str:
    return shlex.join(["python", "-m", "tf_shortrun.main", *sys.argv[1:]])


def _one_line(argv: list[str]):
    command = "the same command without --fresh" if _FRESH.value else "the same command"
    with (
        process.ended_in_one_line(f"{command} goes on from the last checkpoint"),
        together.noticing(workers.are_several()),
    ):
        main(argv)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags and returns the other arguments.

    Prints the help itself, because absl's help has no verbs and exits with code 1.
    """
    if argv[1:2] and argv[1] in _WITH_OPTIONS:
        flags.FLAGS(argv[:1])
        return argv  # the verb has options of its own
    if {"-h", "-help", "--help"} & set(argv):
        print(_help())
        sys.exit()
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        return process.end(f"{str(error).splitlines()[0]} (--help lists the flags)", 2)


def _help() -> str:
    """Returns the text of --help: the docstring of this module and the flags."""
    holders = (_IMAGES, _IMAGE_SIZE, _GIN_FILES, _BINDINGS, _WORKDIR, _FRESH, _ACCEPT)
    holders += (_EXPORT, _DATA_ONLY, _DRY)
    return "\n".join([__doc__, *(f"--{h.name:20s}{flags.FLAGS[h.name].help}" for h in holders)])


def cli():
    """Runs the console script `tf-shortrun`."""
    streams.outlive_readers()
    process.set_up_logs()
    app.run(_one_line, flags_parser=_parse)


if __name__ == "__main__":
    cli()
