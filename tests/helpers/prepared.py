"""Small data sets in the format of the real ones, those of TFDS also in their place."""

import gzip

import numpy as np
import tensorflow_datasets as tfds
from scipy.io import savemat

# Places of what a connection of KDD99 gives: duration, protocol, service, flag, land, logged_in,
# is_guest_login, the last rate, label.
PLACES = (0, 1, 2, 3, 6, 11, 21, 40, 41)
# With all categories, which makes the 121 columns of the real file.
CONNECTIONS = [
    (i, f"protocol{i % 3}", f"service{i}", f"flag{i % 11}", i % 2, i % 2, i % 2, 0.5, label)
    for i, label in enumerate(["normal.", "smurf.", "neptune."] * 22)
]


def prepare(name, data_dir, num_train=7, num_test=3, max_value=None, **config):
    """A small data set of random images in the format and place of TFDS."""
    builder = tfds.builder(name, data_dir=data_dir)
    with tfds.testing.mock_data(num_train + num_test, max_value=max_value):
        examples = list(enumerate(tfds.as_numpy(builder.as_dataset(split="train"))))
    splits = {"train": examples[:num_train], "test": examples[num_train:]}
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=str(builder.version),
        features=builder.info.features,
        split_datasets={key: part for key, part in splits.items() if part},
        data_dir=data_dir,
        download_config=tfds.download.DownloadConfig(**config),
        disable_shuffling=True,
    )


def connection_rows(connections):
    """All 41 features and the label of each row; what is not given is 0."""
    rows = [[0] * 41 + [None] for _ in connections]
    for row, connection in zip(rows, connections, strict=True):
        for place, value in zip(PLACES, connection, strict=True):
            row[place] = value
    return rows


def write_kdd99(path, connections=CONNECTIONS):
    rows = connection_rows(connections)
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()))
    return str(path)


def write_arrhythmia(path, num=273, num_anomalies=66):
    """Row i is unit vector i, which scaling leaves as it is, and once more i itself."""
    labels = (np.arange(num) >= num - num_anomalies).astype(np.uint8)
    rows = np.concatenate([np.eye(num), np.arange(num)[:, None]], axis=1)
    savemat(path, {"X": rows, "y": labels[:, None]})
    return str(path), labels
