"""Images on disk: the same batches as in memory, one file that is written once, and no copies."""

import concurrent.futures
import errno
import os
import threading

import numpy as np
import pytest
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import capacity, disk
from tf_shortrun.data.folder import folder


@pytest.fixture
def photos(tmp_path):
    """Returns a folder of 30 images; the second in each class cannot be read."""
    for place in range(30):
        (tmp_path / "x" / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "x" / "ab"[place % 2] / f"{place:02}.png")
    for name in ("a/02", "b/03"):
        (tmp_path / "x" / f"{name}.png").write_bytes(b"no image")
    return tmp_path / "x"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_memory(monkeypatch):
    return lambda: monkeypatch.setattr(capacity, "SHARE", 0.0)


def load(photos):
    return folder(str(photos), (5, 7), unreadable="skip")


def batches(dataset, start=0, num=9):
    """Returns all numbers of some batches for training and of all for testing, as one list."""
    train = dataset.train_batches(4, 1, start, num_replicas=2).take(num)
    return [x.numpy() for b in (*train, *dataset.test_batches(2)) for x in b.values()]


def test_batches_from_disk_equal_those_from_memory_also_after_a_resume(photos, cache, no_memory):
    memory = load(photos)
    no_memory()
    on_disk = load(photos)
    assert not isinstance(memory.train.images, np.memmap)
    assert isinstance(on_disk.train.images, np.memmap)
    for start in (0, 7):
        pairs = zip(batches(memory, start), batches(on_disk, start), strict=True)
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    assert memory.digest == on_disk.digest and memory.describe() == on_disk.describe()
    np.testing.assert_array_equal(memory.mean_colour, on_disk.mean_colour)


def test_batches_read_the_file_and_hold_no_copy(photos, cache, no_memory):
    no_memory()
    dataset = load(photos)
    later = dataset.test_batches(2)
    file = dataset.test.images.filename
    np.load(file, mmap_mode="r+")[:] = 255
    assert all((batch["image"].numpy() == 1).all() for batch in later)


def test_images_are_decoded_once_until_a_file_changes(photos, cache, no_memory, monkeypatch):
    no_memory()
    first = load(photos)
    (path,) = cache.glob("*.npy")
    written = path.stat().st_mtime_ns
    again = load(photos)
    assert again.describe() == first.describe() and again.digest == first.digest
    assert path.stat().st_mtime_ns == written
    Image.new("RGB", (7, 5), "red").save(photos / "a/00.png")
    assert load(photos).digest != first.digest and len([*cache.glob("*.npy")]) == 2


@pytest.mark.parametrize("error", [InputError("unreadable"), KeyboardInterrupt()])
def test_what_was_not_completed_is_not_kept(cache, error):
    def make(pixels):
        pixels[0] = 1
        raise error

    with pytest.raises(type(error)):
        disk.once("key", (2, 1, 1, 1), "photos", make)
    assert not [*cache.glob("*.npy"), *cache.glob("*.json")]
    pixels, facts = disk.once("key", (2, 1, 1, 1), "photos", lambda pixels: {"a": 1})
    assert facts == {"a": 1} and pixels.tolist() == [[[[0]]], [[[0]]]]


def test_a_file_of_a_killed_process_is_written_anew(cache):
    cache.mkdir()
    np.save(cache / "images_key.npy", np.ones([2, 1, 1, 1], np.uint8))  # without its facts
    pixels, _ = disk.once("key", (3, 1, 1, 1), "photos", lambda pixels: {})
    assert pixels.shape == (3, 1, 1, 1) and not pixels.any()


def test_another_one_that_wants_the_same_images_waits_and_reads_them(cache):
    begun, go_on = threading.Event(), threading.Event()

    def make(pixels):
        begun.set()
        assert go_on.wait(9)
        pixels[:] = 7
        return {}

    def once(make):
        return disk.once("key", (1, 1, 1, 1), "photos", make)[0]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(once, make)
        assert begun.wait(9)
        second = pool.submit(once, lambda pixels: pytest.fail("it is written already"))
        with pytest.raises(concurrent.futures.TimeoutError):
            second.result(0.2)
        go_on.set()
        assert first.result(9) == second.result(9) == 7


def test_a_disk_that_is_full_names_the_file_and_keeps_nothing(cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="images_key.npy"):
        disk.once("key", (1, 1, 1, 1), "photos", lambda pixels: {})
    assert not [*cache.glob("*.npy")]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"^[^\n]*cannot be written[^\n]*TF_SHORTRUN_CACHE"):
        disk.once("key", (1, 1, 1, 1), "photos", lambda pixels: {})
