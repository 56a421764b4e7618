"""MNIST with one digit as the anomaly."""

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.inliers import hold_out
from tf_shortrun.data.tfds_images import tfds_images


def mnist_anomaly(digit: int, seed: int, data_dir: str | None = None) -> Dataset:
    """Loads all 70,000 images [28, 28, 1] in a new split: label 1 for `digit`, 0 for others.

    80 % of the images of the other nine digits are for training. The remaining images and all
    images of `digit` are for testing, so about a third of the test images are anomalies. The
    numbers of images are as published, the random choice is not. `data_dir` is as in `tfds_images`.

    Raises:
      InputError: if `digit` is not 0 to 9, or MNIST is not prepared.

    References: H. Zenati et al., Efficient GAN-based anomaly detection, ICLR workshop 2018.
    """
    if not 0 <= digit <= 9:
        raise InputError(f"digit is {digit}: choose 0 to 9")
    mnist = tfds_images("mnist", data_dir=data_dir)
    both = zip(mnist.train, mnist.test, strict=True)
    images, digits = (np.concatenate(arrays) for arrays in both)
    is_anomaly = digits == digit
    train, test = (
        Split(images[places], is_anomaly[places].astype(np.int32))
        for places in hold_out(is_anomaly, 0.8, seed)
    )
    return Dataset(f"mnist_anomaly{digit}", train, test, preparation=mnist.preparation)
