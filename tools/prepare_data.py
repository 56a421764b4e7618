"""Downloads data sets and prepares them for TFDS, once for all.

    python -m tools.prepare_data mnist cifar10 --data_dir=~/tensorflow_datasets

Prints one line for each data set; with an error that line goes to stderr and the exit
code is 2. Prepared data are found where TFDS_DATA_DIR points to.

Where a machine has no network, fetch the files elsewhere, under their original names,
and name the data set with --manual_dir=<their folder>; their checksums are verified:

    mnist, fashion_mnist   train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz
                           t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz
    cifar10                cifar-10-binary.tar.gz
    svhn_cropped           train_32x32.mat test_32x32.mat extra_32x32.mat
    celeb_a                img_align_celeba.zip list_eval_partition.txt list_attr_celeba.txt
                           list_landmarks_align_celeba.txt identity_CelebA.txt

Or copy a folder that was prepared elsewhere, <data_dir>/<name>/<version>.

kdd99 is not of TFDS: scikit-learn fetches its 10 % file into its own cache (see there,
SCIKIT_LEARN_DATA). A copy fetched by hand is named in gin: kdd99.kdd99.path = 'FILE'.
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
    """Downloads and prepares one data set; returns the line to print."""
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
        "--data_dir", help="where they go; default: TFDS_DATA_DIR, else ~/tensorflow_datasets"
    )
    parser.add_argument("--manual_dir", help="a folder of files fetched by hand")
    return command.run(parser, _prepare, arguments)


def _prepare(options) -> None:
    _be_quick_and_quiet()
    for name in options.names:
        try:
            print(prepare(name, options.data_dir, options.manual_dir), flush=True)
        # TFDS, requests and the disk raise what they like; the person needs one line.
        except Exception as error:
            raise InputError(f"{name}: {_first_line(error)}; other ways: --help") from error


def _be_quick_and_quiet():
    # Its own ten tries take minutes to say that there is no network.
    downloader.MAX_RETRIES = 3
    tfds.disable_progress_bar()
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("urllib3").setLevel(python_logging.ERROR)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


if __name__ == "__main__":
    sys.exit(main())
