"""Folders and zips that are damaged, huge or odd: right values, or one line that names them all."""

import io
import logging
import os
import threading
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from prepared import prepare
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import loading, tfds_images
from tf_shortrun.data.budget import Budget
from tf_shortrun.data.folder import folder

GREY = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


def encoded(image, kind="PNG", **options):
    """Returns the bytes of a file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width, height):
    """Returns a PNG that claims a size and has no pixels."""
    content = (
        b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    )
    end = b"\0\0\0\0IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")
    check = zlib.crc32(content).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + content + check + end


@pytest.fixture
def root(tmp_path):
    """Returns a folder of 12 images in each of two classes; all pixels are the place."""
    for label in "ab":
        (tmp_path / "x" / label).mkdir(parents=True)
        for place in range(12):
            name = f"{label}/{place:02}.png"
            (tmp_path / "x" / name).write_bytes(encoded(np.full([4, 4], place, np.uint8)))
    return tmp_path / "x"


def refusal(path, size=4, **options):
    """Returns the line with which the images are refused."""
    with pytest.raises(InputError) as error:
        folder(str(path), size, **options)
    line = str(error.value)
    assert line.isprintable() and ": " in line
    return line


def packed(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


# --- unreadable images


def test_all_unreadable_images_are_named_at_once(root):
    for place in range(10):
        (root / f"a/{place:02}.png").write_bytes(b"no image")
    line = refusal(root)
    assert f"cannot read a/00.png in {root} (" in line and "and 9 more of 24 images" in line
    assert "a/04.png" in line and "a/05.png" not in line and "and 5 more" in line
    assert "mend or remove" in line and "unreadable = 'skip'" in line


def test_skipped_images_are_counted_and_the_others_keep_split_and_label(root, caplog):
    whole = folder(str(root), 4, split="last_names")
    bad = ["a/03.png", "b/00.png", "b/11.png"]  # places 3, 12 and 23; the test split is 22 and 23
    for name in bad:
        (root / name).write_bytes((root / name).read_bytes()[:40])
    caplog.clear()
    rest = folder(str(root), 4, unreadable="skip", split="last_names")
    kept = np.delete(np.arange(22), [3, 12])
    np.testing.assert_array_equal(rest.train.images, whole.train.images[kept])
    np.testing.assert_array_equal(rest.train.labels, whole.train.labels[kept])
    np.testing.assert_array_equal(rest.test.images, whole.test.images[:1])
    (line,) = (r.getMessage() for r in caplog.records if "skipped: 3" in r.getMessage())
    assert "skipped: 3 of 24 images: cannot read a/03.png" in line
    assert all(name in line for name in bad) and rest.facts["skipped"] in line
    (root / "b/10.png").write_bytes(b"")
    line = refusal(root, unreadable="skip", split="last_names")
    assert "split without readable images" in line
    assert "'ignore'" in refusal(root, unreadable="ignore")


def test_links_to_nothing_and_pipes_are_unreadable_images(root):
    (root / "a/link.png").symlink_to(root / "gone.png")
    (root / "a/loop.png").symlink_to(root / "a/loop.png")
    os.mkfifo(root / "b/pipe.png")
    line = refusal(root)
    assert "a/link.png" in line and "a/loop.png" in line and "b/pipe.png (it is neither" in line
    assert "2 more of 27 images" in line
    rest = folder(str(root), 4, unreadable="skip")
    assert len(rest.train.images) + len(rest.test.images) == 24


def test_names_with_line_ends_and_escape_codes_stay_in_one_line(root):
    for name in ("0\nb.png", "0\x1b[31m.png"):
        (root / "a" / name).write_bytes(b"")
    assert "\\n" in refusal(root) and "\\x1b" in refusal(root)


def test_damage_anywhere_in_a_file_is_an_unreadable_image(tmp_path):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, [12, 12, 3], dtype=np.uint8))
    several = {"save_all": True, "append_images": [image.rotate(90)]}
    files = [encoded(image, kind) for kind in ("AVIF", "BMP", "JPEG", "JPEG2000", "PNG", "PPM")]
    files += [encoded(image, kind, **several) for kind in ("GIF", "TIFF", "WEBP")]
    for place in range(900):
        data = bytearray(files[place % len(files)])
        data[rng.integers(min(len(data), 200))] = rng.integers(256)
        (tmp_path / f"{place:03}.png").write_bytes(data[: rng.integers(20, 2000)])
    assert "800 images" in refusal(tmp_path, num_train=700, num_test=100)
    read = folder(str(tmp_path), 4, unreadable="skip")
    assert 200 < len(read.train.images) + len(read.test.images) < 700


def test_a_program_in_place_of_an_image_is_not_run(root, monkeypatch):
    (root / "a/00.png").write_bytes(EPS)
    monkeypatch.setenv("PATH", "")  # Ghostscript, if it is there
    assert "a/00.png" in refusal(root) and "Ghostscript" not in refusal(root)


# --- folders and paths


def test_a_folder_that_cannot_be_listed_is_refused(root, monkeypatch):
    scandir = os.scandir

    def locked(path):
        """Refuses b also to root, whom permissions do not stop."""
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    line = refusal(root, unreadable="skip")
    assert f"cannot list 1 of the folders in {root}: {root / 'b'} (Permission denied)" in line


def test_what_is_left_out_is_said(root, tmp_path, caplog):
    (root / "linked").symlink_to(root / "a")
    for name in ("b/1.heic", "b/2.heic", "README"):
        (root / name).write_bytes(b"")
    with caplog.at_level(logging.INFO):
        assert len(folder(str(root), 4).train.images) == 20
    said = "left out: 2 .heic, 1 README, 1 links to folders (linked): no images by name"
    assert said in caplog.text


@pytest.mark.parametrize(
    "path, words",
    [
        ("", "path of the images is empty"),
        (" ", "path of the images is empty"),
        ("~nobody-of-this-name/x", "cannot be opened"),
        ("a\0b", "has control characters"),
        ("a\nb", "has control characters"),
        ("\x1b[31m", "has control characters"),
        (300 * "x", "name too long"),
        ("/dev/zero", "is no file"),
        ("/proc/self", ""),
    ],
)
def test_odd_paths_are_refused_in_one_line(path, words, root, monkeypatch):
    monkeypatch.chdir(root)  # an empty path would read all that is here
    with pytest.raises(InputError) as error:
        folder(path, 4)
    assert words in str(error.value) and str(error.value).isprintable()


# --- limits


def test_a_size_beyond_memory_and_disk_is_refused(root, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "cache"))
    line = refusal(root, size=10**6)
    assert "24 images need 67,055.2 GiB in" in line and "set TF_SHORTRUN_CACHE" in line
    assert not [file for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock"]
    prepare("mnist", tmp_path)
    with pytest.raises(InputError, match="mnist: 7 images of 1000000 x 1000000 x 1 need"):
        tfds_images.tfds_images("mnist", size=10**6, data_dir=str(tmp_path))


def test_too_many_pixels_are_refused_before_they_are_decoded(root, recwarn):
    (root / "a/00.png").write_bytes(png_header(9460, 9460))
    (root / "a/01.png").write_bytes(png_header(60_000, 60_000))
    line = refusal(root)
    assert "a/00.png" in line and "89,491,600 pixels, the most is 89,478,485" in line
    assert "a/01.png" in line and not len(recwarn)


def test_too_many_bytes_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    good = encoded(GREY)
    path = packed(tmp_path / "x.zip", [("0.png", good), ("1.png", bytes(10**5)), ("2.png", good)])
    monkeypatch.setattr(loading, "MAX_BYTES", 10**4)
    read = zipfile.ZipFile.read

    def small(archive, name):
        assert name != "1.png"
        return read(archive, name)

    monkeypatch.setattr(zipfile.ZipFile, "read", small)
    assert "1.png" in refusal(path) and "it has 100,000 bytes, the most is 10,000" in refusal(path)


def test_a_budget_is_never_exceeded_and_used_fully():
    budget, used, most, two = Budget(10, "pixels"), [0], [0], threading.Barrier(2, timeout=5)

    def work(part):
        for _ in range(50):
            with budget.take(part):
                used[0] += part
                most[0] = max(most[0], used[0])
                assert used[0] <= 10
                used[0] -= part

    threads = [threading.Thread(target=work, args=[part]) for part in (3, 7, 10, 5)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert most[0] == 10 and used[0] == 0

    def meet():
        with budget.take(5):
            two.wait()

    threads = [threading.Thread(target=meet) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert not two.broken
    with pytest.raises(ValueError, match="it has 11 pixels, the most is 10"), budget.take(11):
        pass


# --- right values of odd images


def first(tmp_path, data, ending="png", **options):
    (tmp_path / "x").mkdir(exist_ok=True)
    for name in "ab":
        (tmp_path / "x" / f"{name}.{ending}").write_bytes(data)
    options = {"split": "last_names", **options}
    return folder(str(tmp_path / "x"), 4, **options).train.images[0, ..., 0]


@pytest.mark.parametrize("colour, background, expected", [(0, 255, 0), (255, 0, 255), (0, 0, 0)])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_icons_lie_over_the_background(
    tmp_path, mode, colour, background, expected, caplog
):
    pixels = np.full([4, 4, len(mode)], colour, np.uint8)
    pixels[..., -1] = 0
    pixels[1:3, 1:3, -1] = 255
    image = first(tmp_path, encoded(pixels), background=background)
    assert (image[1:3, 1:3] == expected).all() and (image[0] == background).all()
    assert f"of 2 images, 2 transparent (over {background})" in caplog.text
    assert ("of one colour" in caplog.text) == (expected == background)


def test_a_background_is_a_byte(root):
    assert "background is 256" in refusal(root, background=256)


@pytest.mark.parametrize(
    "image, kind, ending, said",
    [
        (GREY, "PPM", "pgm", ""),
        (GREY, "PNG", "jpg", ""),
        (GREY.astype(np.uint16) * 257, "PPM", "pgm", "16 bits"),
        (GREY.astype(np.uint16) * 257, "PNG", "png", "16 bits"),
        (Image.fromarray(GREY).convert("P"), "PNG", "png", "mode P"),
        (Image.fromarray(GREY).convert("RGB").convert("CMYK"), "TIFF", "tif", "mode CMYK"),
    ],
)
def test_odd_but_legal_images_have_their_values(tmp_path, image, kind, ending, said, caplog):
    np.testing.assert_array_equal(first(tmp_path, encoded(image, kind), ending), GREY)
    assert bool(caplog.text) == bool(said) and said in caplog.text


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read_and_that_is_said(tmp_path, kind, caplog):
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert (first(tmp_path, data, kind.lower()) == 10).all()
    assert "2 of several frames (the first)" in caplog.text


# --- zips


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    good = encoded(GREY)
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = packed(tmp_path / "x.zip", [("0.png", good), ("1.png", good), ("0.png", good)])
    assert "several entries of the name 0.png: remove all but one" in refusal(path)


def test_names_that_lead_out_of_a_zip_are_only_labels(tmp_path):
    (tmp_path / "in").mkdir()
    names = ["../0.png", "/1.png", "a/../../2.png"]
    entries = [(name, encoded(GREY)) for name in [*names, ".hidden/3.png"]]
    path = packed(tmp_path / "in" / "x.zip", entries)
    assert len(folder(str(path), 4).train.images) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_entries_of_every_method_are_named(tmp_path, method):
    noise = np.random.default_rng(0).integers(0, 256, [20, 20, 3], dtype=np.uint8)
    entries = [(f"{place}.bmp", encoded(noise, "BMP")) for place in range(3)]
    path = packed(tmp_path / "x.zip", entries, method)
    np.testing.assert_array_equal(folder(str(path), 20).train.images[1], noise)
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    assert "cannot read 0.bmp in" in refusal(path) and "more of" not in refusal(path)
    data[data.index(b"PK\x01\x02") + 6] = 255  # a version that does not exist
    path.write_bytes(data)
    assert "x.zip is no zip file" in refusal(path)
