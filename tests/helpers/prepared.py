"""Small data sets in the format of the real ones; data sets of TFDS are in the place of TFDS."""

import gzip

import numpy as np
import tensorflow_datasets as tfds
from scipy.io import savemat

# Columns of the values in CONNECTIONS: duration, protocol, service, flag, land, logged_in,
# is_guest_login, the last rate, label.
PLACES = (0, 1, 2, 3, 6, 11, 21, 40, 41)
# The connections contain all categories, which gives the 121 columns of the real file.
CONNECTIONS = [
    (i, f"protocol{i % 3}", f"service{i}", f"flag{i % 11}", i % 2, i % 2, i % 2, 0.5, label)
    for i, label in enumerate(["normal.", "smurf.", "neptune."] * 22)
]


def prepare(name, data_dir, num_train=7, num_test=3, max_value=None, **config):
    """Writes a small data set of random images in the format and place of TFDS."""
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
    """Returns all 41 features and the label of each row; the other features are 0."""
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
    """Writes rows of the unit vector i, which scaling does not change, followed by i itself."""
    labels = (np.arange(num) >= num - num_anomalies).astype(np.uint8)
    rows = np.concatenate([np.eye(num), np.arange(num)[:, None]], axis=1)
    savemat(path, {"X": rows, "y": labels[:, None]})
    return str(path), labels
