"""Downloads data sets and prepares them for TFDS.

    python -m tools.prepare_data mnist cifar10 --data_dir=~/tensorflow_datasets

This is needed once for each data set. The program prints one line for each data set. If there
is an error, that line goes to stderr and the exit code is 2. Commands of this package look for
prepared data in the folder TFDS_DATA_DIR.

If the machine has no network, download the files on another machine, keep their original
names, and pass their folder as --manual_dir. The checksums of the files are verified:

    mnist, fashion_mnist   train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz
                           t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz
    cifar10                cifar-10-binary.tar.gz
    svhn_cropped           train_32x32.mat test_32x32.mat extra_32x32.mat
    celeb_a                img_align_celeba.zip list_eval_partition.txt list_attr_celeba.txt
                           list_landmarks_align_celeba.txt identity_CelebA.txt

Or copy a folder that was prepared on another machine, <data_dir>/<name>/<version>.

kdd99 is not a TFDS data set: scikit-learn downloads its 10 % file into its own cache (the
folder SCIKIT_LEARN_DATA, see scikit-learn). To use a file that you downloaded yourself, bind
kdd99.kdd99.path = 'FILE' in gin.
"""

import contextlib
import io
import logging as python_logging
import sys

import tensorflow_datasets as tfds
from absl import logging
from sklearn.datasets import fetch_kddcup99, get_data_home
from tensorflow_datasets.core.download import downloader

from tf_shortrun.core.errors import InputError
from tools import command


def prepare(name: str, data_dir: str | None, manual_dir: str | None) -> str:
    """Downloads and prepares one data set, and returns the line to print."""
    if name == "kdd99":
        rows, _ = fetch_kddcup99(percent10=True, return_X_y=True)
        return f"kdd99: {len(rows)} rows in {get_data_home()}"
    builder = tfds.builder(name, data_dir=data_dir)
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
        )
    counts = ", ".join(f"{split.num_examples} {key}" for key, split in builder.info.splits.items())
    return f"{name}: {counts} in {builder.data_dir}"


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("prepare_data", __doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a data set, such as mnist")
    parser.add_argument(
        "--data_dir", help="output folder; default: TFDS_DATA_DIR, else ~/tensorflow_datasets"
    )
    parser.add_argument("--manual_dir", help="a folder of files that you downloaded yourself")
    return command.run(parser, _prepare, arguments)


def _prepare(options) -> None:
    _be_quick_and_quiet()
    for name in options.names:
        try:
            print(prepare(name, options.data_dir, options.manual_dir), flush=True)
        # TFDS, requests and the disk raise many types of errors; the user needs one line.
        except Exception as error:
            raise InputError(
                f"{name}: {_first_line(error)}; --help explains other ways to get the data"
            ) from error


def _be_quick_and_quiet():
    # The default of ten tries takes minutes to report that there is no network.
    downloader.MAX_RETRIES = 3
    tfds.disable_progress_bar()
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("urllib3").setLevel(python_logging.ERROR)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


if __name__ == "__main__":
    sys.exit(main())
