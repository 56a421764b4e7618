"""Data sets of anomalies: their formats, splits and scaling, compared with rows made by hand."""

import gzip
import os
import warnings

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from prepared import connection_rows, prepare, write_kdd99
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.inliers import hold_out
from tf_shortrun.data.kdd99 import kdd99
from tf_shortrun.data.mnist_anomaly import mnist_anomaly
from tf_shortrun.data.tabular import scaled
from tf_shortrun.data.tfds_images import tfds_images
from tf_shortrun.evals.anomaly_baselines import Baselines

# With seed 42, rows 0, 1, 5 are in the half for training; row 1 is not an attack.
CONNECTIONS = [
    (10, "tcp", "private", "S0", 0, 0, 0, 0.25, "neptune."),
    (1000, "tcp", "http", "SF", 0, 1, 0, 9.0, "normal."),
    (20, "tcp", "http", "SF", 0, 1, 1, 0.5, "normal."),
    (90, "icmp", "ecr_i", "SF", 0, 0, 0, 0.25, "smurf."),
    (5, "udp", "private", "S0", 1, 0, 0, 0.75, "teardrop."),
    (30, "udp", "private", "SF", 0, 0, 0, 1.25, "teardrop."),
]
ROWS = connection_rows(CONNECTIONS)


@pytest.fixture
def kdd_file(tmp_path):
    return write_kdd99(tmp_path / "kdd.gz", CONNECTIONS)


def _expected(duration, rate, protocol, service, flag, land, logged_in, host, guest):
    numbers = [duration] + [0] * 32 + [rate]
    return [*numbers, *protocol, *service, *flag, *land, *logged_in, *host, *guest]


def _one_line(error, *words):
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def _same(a: Dataset, b: Dataset) -> bool:
    return all(
        np.array_equal(x, y) for x, y in zip((*a.train, *a.test), (*b.train, *b.test), strict=True)
    )


# --- KDD99


def test_kdd99_is_scaled_by_training_attacks_and_one_hot(kdd_file):
    data = kdd99(kdd_file, seed=42)
    # Columns: icmp, tcp, udp; ecr_i, http, private; S0, SF; then 0 and 1 of the binary features.
    # The scaler moves a column that is always 1 in training, such as `private`, to 0.
    none = ([0, 0], [0, 0], [0], [0, 0])
    train = [
        _expected(0.0, 0.0, [0, 1, 0], [0, 0, 0], [1, 0], *none),
        _expected(1.0, 1.0, [0, 0, 1], [0, 0, 0], [0, 1], *none),
    ]
    test = [
        _expected(0.5, 0.25, [0, 1, 0], [0, 1, 0], [0, 1], [0, 0], [0, 1], [0], [0, 1]),
        _expected(0.0, 0.5, [0, 0, 1], [0, 0, 0], [1, 0], [0, 1], [0, 0], [0], [0, 0]),
        _expected(1.0, 0.0, [1, 0, 0], [1, 0, 0], [0, 1], *none),
    ]
    np.testing.assert_array_equal(data.train.images, train)
    np.testing.assert_array_equal(data.train.labels, [0, 0])
    order = np.argsort(data.test.images[:, 0])[[1, 0, 2]]
    np.testing.assert_array_equal(data.test.images[order], test)
    np.testing.assert_array_equal(data.test.labels[order], [1, 0, 0])
    assert data.name == "kdd99"
    assert {split.images.dtype for split in (data.train, data.test)} == {np.dtype(np.float32)}
    assert {split.labels.dtype for split in (data.train, data.test)} == {np.dtype(np.int32)}


def test_kdd99_depends_only_on_the_seed(kdd_file):
    splits = [kdd99(kdd_file, seed) for seed in (42, 42, 4)]
    assert _same(splits[0], splits[1])
    assert not _same(splits[0], splits[2])
    assert not any(split.train.labels.any() for split in splits)


def test_kdd99_from_the_cache_of_scikit_learn_equals_the_file(kdd_file, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    folder = tmp_path / "kddcup99_10-py3"
    folder.mkdir()
    rows = [[v.encode() if isinstance(v, str) else v for v in row] for row in ROWS]
    joblib.dump(np.array([row[:-1] for row in rows], object), folder / "samples")
    joblib.dump(np.array([row[-1] for row in rows], object), folder / "targets")
    assert _same(kdd99(None, 42), kdd99(kdd_file, 42))


def test_kdd99_is_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr("sklearn.datasets._kddcup99._fetch_remote", pytest.fail)
    with pytest.raises(InputError) as error:
        kdd99(None, 42)
    _one_line(error, "python -m tools.prepare_data kdd99", "kddcup.data_10_percent.gz")


def _damage(path, damage):
    whole = gzip.compress(",".join(map(str, ROWS[0])).encode() * 2000)
    content = {
        "not gzipped": b"0,tcp,http\n",
        "cut": whole[: len(whole) // 2],
        "garbled": whole[:20] + bytes(20) + whole[40:],
        "other columns": gzip.compress(b"1,2,3\n"),
        "words": gzip.compress(b",".join([b"a"] * 42) + b"\n"),
        "no text": gzip.compress(bytes([200, 201])),
    }
    if damage != "missing":
        path.write_bytes(content[damage])
    return str(path)


@pytest.mark.parametrize(
    "damage",
    ["missing", "not gzipped", "cut", "garbled", "other columns", "words", "no text"],
)
def test_other_files_than_kdd99_raise_an_error(tmp_path, damage):
    with pytest.raises(InputError) as error:
        kdd99(_damage(tmp_path / "other.gz", damage), 42)
    _one_line(error, "other.gz", "kddcup.data_10_percent.gz")


@pytest.mark.parametrize("rows", [[], CONNECTIONS[1:3], CONNECTIONS[3:]])
def test_rows_of_one_class_raise_an_error(tmp_path, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NumPy warns of a file without rows
        with pytest.raises(InputError) as error:
            kdd99(write_kdd99(tmp_path / "kdd.gz", rows), 42)
    _one_line(error, "kdd99")


@pytest.mark.skipif("KDD99_PATH" not in os.environ, reason="needs KDD99_PATH, the 10 % file")
def test_kdd99_has_the_published_split():
    data = kdd99(os.environ["KDD99_PATH"], 42)
    assert data.train.images.shape == (198_361, 121)
    assert data.test.images.shape == (247_011, 121)
    assert np.sum(data.test.labels) == 48_629
    found = Baselines(flagged=0.2)(None, data, noise.make_seed(0))
    assert abs(found["f1/pca2"] - 0.943) < 0.001
    assert abs(found["f1/isolation_forest"] - 0.932) < 0.02


# --- scaling


def test_the_scaler_uses_only_training_rows():
    train, test = np.array([[0.0, 5.0], [4.0, 5.0]]), np.array([[-1.0, 5.0], [2.0, 5.25], [9, 3]])
    data = scaled("some", train, test, np.array([True, False, False]))
    np.testing.assert_array_equal(data.train.images, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(data.test.images, [[0, 0], [0.5, 0.25], [1, 0]])
    np.testing.assert_array_equal(data.test.labels, [1, 0, 0])
    # The values are those of scikit-learn, bit for bit.
    scaler = MinMaxScaler(clip=True).fit(train)
    np.testing.assert_array_equal(data.test.images, scaler.transform(test).astype(np.float32))


@pytest.mark.parametrize(("num_train", "is_anomaly"), [(0, [0, 1]), (2, [0, 0]), (2, [1, 1])])
def test_data_without_inliers_or_anomalies_raise_an_error(num_train, is_anomaly):
    with pytest.raises(InputError) as error:
        scaled("some", np.eye(2)[:num_train], np.eye(2), np.array(is_anomaly, bool))
    _one_line(error, "some needs inliers in both splits and anomalies")


# --- inliers held out


@pytest.mark.parametrize(
    ("num", "num_anomalies", "share", "num_train"),
    # Arrhythmia, and MNIST with the digit 1 as the anomaly, with the published numbers.
    [(452, 66, 0.5, 193), (70_000, 7877, 0.8, 49_698)],
)
def test_training_has_its_share_of_the_inliers_and_testing_the_rest(
    num, num_anomalies, share, num_train
):
    is_anomaly = np.arange(num) % (num // num_anomalies) == 0
    is_anomaly &= np.cumsum(is_anomaly) <= num_anomalies
    assert is_anomaly.sum() == num_anomalies
    train, test = hold_out(is_anomaly, share, seed=3)
    assert len(train) == num_train
    assert not is_anomaly[train].any()
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(num))


def test_the_split_depends_only_on_the_seed():
    is_anomaly = np.arange(100) < 20
    draws = [hold_out(is_anomaly, 0.5, seed) for seed in (3, 3, 4)]
    for one, same, other in zip(*draws, strict=True):
        np.testing.assert_array_equal(one, same)
        assert set(one) != set(other)


def test_every_inlier_is_equally_often_in_training():
    counts = np.zeros(20)
    for seed in range(1000):
        counts[hold_out(np.arange(20) >= 16, 0.25, seed)[0]] += 1
    assert not counts[16:].any()
    # 16 inliers, each with probability 1/4: mean 250, standard deviation 13.7.
    assert np.max(np.abs(counts[:16] - 250)) < 4 * 13.7


# --- MNIST


def test_mnist_with_an_anomalous_digit_is_split_correctly(tmp_path):
    prepare("mnist", tmp_path, num_train=30, num_test=10)
    mnist = tfds_images("mnist", data_dir=str(tmp_path))
    digit_of = {
        image.tobytes(): label
        for split in (mnist.train, mnist.test)
        for image, label in zip(*split, strict=True)
    }
    assert len(digit_of) == 40
    digit = int(mnist.train.labels[0])
    num_anomalies = list(digit_of.values()).count(digit)
    data = mnist_anomaly(digit, seed=0, data_dir=str(tmp_path))
    train, test = ([image.tobytes() for image in split.images] for split in (data.train, data.test))
    assert len(train) == int(0.8 * (40 - num_anomalies))
    assert {*train, *test} == {*digit_of} and len(test) == 40 - len(train)
    assert digit not in {digit_of[image] for image in train}
    np.testing.assert_array_equal(data.test.labels, [digit_of[i] == digit for i in test])
    assert data.image_shape == (28, 28, 1) and data.train.images.dtype == np.uint8
    assert data.name == f"mnist_anomaly{digit}"
    assert not _same(data, mnist_anomaly(digit, seed=1, data_dir=str(tmp_path)))


@pytest.mark.parametrize("digit", [-1, 10])
def test_a_digit_outside_0_to_9_raises_an_error(digit):
    with pytest.raises(InputError) as error:
        mnist_anomaly(digit, 0)
    _one_line(error, str(digit), "0 to 9")
