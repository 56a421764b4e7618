"""Image data sets prepared by TensorFlow Datasets (TFDS): mnist, cifar10, svhn_cropped, ..."""

import contextlib
import difflib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import capacity, crops
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.preparation import Preparation, of_shape


def tfds_images(
    name: str,
    size: int | None = None,
    crop: crops.Crop | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    num_validation: int | None = None,
    data_dir: str | None = None,
) -> Dataset:
    """Loads the splits `train[:num_train]` and `test[:num_test]` of a prepared TFDS data set.

    To choose parameters without the test split, give `num_validation`: `train[-num_validation:]`
    replaces the test split, and the training split omits these examples.

    With `size` every image is cropped (default: the square in the middle) and resized to
    [size, size, C], else it is not changed. `label` is -1 if the data set has no labels.
    `data_dir` has the default of TFDS: TFDS_DATA_DIR, else ~/tensorflow_datasets. This function
    never downloads; `python -m tools.prepare_data` does.

    Raises:
      InputError: if the name is unknown, the data set is not prepared, is damaged or has no
        images, a split has fewer examples than requested, training and validation overlap, both
        `num_test` and `num_validation` are given, or `size` is too large.
    """
    if size is not None and size < 1:
        raise InputError(f"size is {size}: choose a positive number of pixels")
    if crop is not None and size is None:
        raise InputError(f"{name}: crop needs a size, the pixels of a side after cropping")
    with _quiet():
        builder = _prepared_builder(name, data_dir)
        channels = builder.info.features["image"].shape[-1]
        preparation = None if size is None else Preparation(size, size, channels, crop)
        places = _places(builder, num_train, num_test, num_validation)
        train, test = (_read(builder, place, preparation) for place in places)
    preparation = preparation or of_shape(train.images.shape[1:])
    names = getattr(dict(builder.info.features).get("label"), "names", ())
    return Dataset(name, train, test, preparation=preparation, classes=names)


def _prepared_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known) or ["mnist", "cifar10", "celeb_a"]
        raise InputError(f"TFDS has no data set {name!r}: try {' or '.join(near)}")
    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.is_prepared():
        raise InputError(
            f"{name} is not prepared in {builder.data_dir_root}: run "
            f"`python -m tools.prepare_data {name}`, or set TFDS_DATA_DIR to the folder that has it"
        )
    _check_features(builder)
    return builder


def _check_features(builder: tfds.core.DatasetBuilder):
    image = dict(builder.info.features).get("image")
    if not isinstance(image, tfds.features.Image) or image.np_dtype != np.uint8:
        raise InputError(
            f"{builder.name} has no 8-bit images under the key 'image': choose other data"
        )
    if not {"train", "test"} <= set(builder.info.splits):
        splits = ", ".join(builder.info.splits)
        raise InputError(f"{builder.name} has the splits {splits}: choose data with train and test")


def _places(
    builder, num_train: int | None, num_test: int | None, num_validation: int | None
) -> tuple[str, str]:
    """Returns the slices for training and for testing, in the notation of TFDS."""
    if num_validation is None:
        return _first(builder, "train", num_train), _first(builder, "test", num_test)
    if num_test is not None:
        raise InputError("num_test and num_validation are both given: choose one of them")
    total = builder.info.splits["train"].num_examples
    num_train = total - num_validation if num_train is None else num_train
    if min(num_train, num_validation) < 1 or num_train + num_validation > total:
        raise InputError(
            f"num_train is {num_train}, num_validation {num_validation}: choose positive numbers, "
            f"together at most {total}, the train examples of {builder.name}"
        )
    return f"train[:{num_train}]", f"train[-{num_validation}:]"


def _first(builder, split: str, num: int | None) -> str:
    total = builder.info.splits[split].num_examples
    num = total if num is None else num
    if not 0 < num <= total:
        raise InputError(
            f"num_{split} is {num}: choose 1 to {total}, the {split} examples of {builder.name}"
        )
    return f"{split}[:{num}]"


def _read(builder, split: str, preparation: Preparation | None) -> Split:
    num = builder.info.splits[split].num_examples
    examples = _examples(builder, split)
    if preparation:
        examples = examples.map(_resizer(preparation), num_parallel_calls=tf.data.AUTOTUNE)
    shape = examples.element_spec["image"].shape
    if not shape.is_fully_defined():
        raise InputError(f"the images of {builder.name} differ in size: give `size`")
    result = Split(capacity.images((num, *shape), builder.name), np.full(num, -1, np.int32))
    try:
        _fill(result, examples)
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise InputError(
            f"{builder.name} is damaged in {builder.data_dir}: delete that folder and run "
            f"`python -m tools.prepare_data {builder.name}`"
        ) from error
    if result.images.max() == 1:
        # In binarized_mnist white is 1.
        np.multiply(result.images, 255, out=result.images)
    return result


def _examples(builder, split: str) -> tf.data.Dataset:
    keys = [key for key in ("image", "label") if key in builder.info.features]
    return builder.as_dataset(
        split=split,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True)),
        read_config=tfds.ReadConfig(try_autocache=False),
    )


def _resizer(preparation: Preparation) -> Callable:
    def resize(array):
        return preparation.resize(Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array))

    def resize_example(example):
        image = tf.numpy_function(resize, [example["image"]], tf.uint8)
        return example | {"image": tf.ensure_shape(image, preparation.shape)}

    return resize_example


def _fill(result: Split, examples: tf.data.Dataset):
    first = 0
    for batch in examples.batch(500).prefetch(2).as_numpy_iterator():
        places = slice(first, first + len(batch["image"]))
        result.images[places] = batch["image"]
        if "label" in batch:
            result.labels[places] = batch["label"]
        first = places.stop


@contextlib.contextmanager
def _quiet():
    """Silences absl logs below errors, because TFDS logs every step."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
