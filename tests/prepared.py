"""Small TFDS data sets of random images, in the format and place of the real ones."""

import tensorflow_datasets as tfds


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
