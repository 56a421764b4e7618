"""What TensorBoard shows of a run besides its curves: its settings and its results, side by side.

The hparams tab has a row for each run below the folder that TensorBoard is given, with a column for
each setting and for each scalar.
"""

import ast
import errno
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api

from tf_shortrun.training.configuration import Configuration, of_course
from tf_shortrun.training.course import Course

Setting = bool | int | float | str


def open_writer(workdir: Path, named: Mapping[str, Setting]) -> tf.summary.SummaryWriter:
    """Opens a new file in `<workdir>/tensorboard`, which begins with the row of the hparams tab.

    One file for both: TensorBoard reads no more of a file once there is a newer one.

    Raises:
      OSError: if it cannot be written.
    """
    place = str(workdir / "tensorboard")
    try:
        writer = tf.summary.create_file_writer(place)
    except tf.errors.OpError as error:  # what the system refuses is told as elsewhere
        raise OSError(errno.EIO, error.message.splitlines()[0], place) from error
    if named:
        with writer.as_default(0):
            api.hparams(dict(named))
    return writer


def settings(course: Course, configuration: Configuration) -> dict[str, Setting]:
    """Returns the settings of a run by name, numbers as numbers and all else as text.

    Args:
      configuration: as in `configuration.py`; empty for what the course says. Names that only
        stand for another setting are left out.
    """
    texts = configuration or of_course(course)
    named = {name: _value(text) for name, text in texts.items() if not text.startswith("%")}
    return named | {"num_steps": course.num_steps}


def write_results(workdir: Path, metrics: Mapping[str, float], step: int):
    """Writes final metrics as scalars `result/<name>`: the curves have names like theirs."""
    with open_writer(workdir, {}).as_default(step):
        for name, value in metrics.items():
            tf.summary.scalar(f"result/{name}", value)


def _value(text: str) -> Setting:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):  # the name of a part
        return text
    return value if isinstance(value, Setting) else text
