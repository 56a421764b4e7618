"""The files that a verb writes: a picture of all, one of each, arrays, and a table."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.evals.pictures.tiles import grid, write_png
from tf_shortrun.use.pretrained import SCHEME


def new_folder(run: str, verb: str, asked: str | None) -> Path:
    """Returns a new folder: the one that was asked for, or the next below `<run>/outputs`.

    Of weights that come with the package, it is below `runs/<name>/outputs`.

    Raises:
      InputError: if the one that was asked for has files already.
    """
    if asked is None:
        place, number = Path(run.replace(SCHEME, "runs/")) / "outputs", 1
        while (place / f"{verb}_{number}").exists():
            number += 1
        folder = place / f"{verb}_{number}"
    else:
        folder = Path(asked)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} exists: give a new folder, so that nothing is lost")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_images(
    folder: Path, names: Sequence[str], images: np.ndarray, above: np.ndarray | None = None
) -> None:
    """Writes `images.npz`, and for pictures `images.png` with all and `images/` with each.

    Args:
      above: pictures that are drawn above the images, one for each.
    """
    np.savez_compressed(folder / "images.npz", images=images, names=np.asarray(names))
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        return
    (folder / "images").mkdir()
    for name, image in zip(unique(names), images, strict=True):
        write_png(folder / "images" / f"{name}.png", _bytes(image))
    columns = math.isqrt(len(images) - 1) + 1
    write_png(folder / "images.png", grid(_rows(images, above, columns), columns))


def write_latents(folder: Path, names: Sequence[str], latents: Sequence[np.ndarray]) -> None:
    """Writes `latents.npz` with layer0, layer1, ... [N, d_l], and `latents.csv` with names."""
    layers = {f"layer{i}": z for i, z in enumerate(latents)}
    np.savez_compressed(folder / "latents.npz", **layers, names=np.asarray(names))
    columns = [f"{layer}_{place}" for layer, z in layers.items() for place in range(z.shape[1])]
    rows = np.concatenate(latents, axis=1).tolist()
    _write_table(folder / "latents.csv", ["name", *columns], names, rows)


def write_rows(
    folder: Path, names: Sequence[str], columns: Sequence[str], rows: np.ndarray
) -> None:
    """Writes `rows.npz` and `rows.csv` with rows [N, D] of a table."""
    np.savez_compressed(folder / "rows.npz", rows=rows)
    _write_table(folder / "rows.csv", ["name", *columns], names, rows.tolist())


def write_scores(folder: Path, names: Sequence[str], columns: dict[str, np.ndarray]) -> None:
    """Writes `scores.npz` and `scores.csv`."""
    np.savez_compressed(folder / "scores.npz", **columns, names=np.asarray(names))
    rows = np.stack(list(columns.values()), axis=1).tolist()
    _write_table(folder / "scores.csv", ["name", *columns], names, rows)


def unique(names: Sequence[str]) -> list[str]:
    """Returns names for files: letters, digits, . _ -, and a number where two are the same."""
    plain = [re.sub(r"[^\w.-]+", "_", name.rpartition(".")[0] or name).strip(".") for name in names]
    seen: dict[str, int] = {}
    for i, name in enumerate(plain):
        count = seen[name] = seen.get(name, 0) + 1
        plain[i] = name if count == 1 else f"{name}_{count}"
    return plain


def _rows(images: np.ndarray, above: np.ndarray | None, columns: int) -> np.ndarray:
    """Returns the images for a grid; with `above`, a row of it and then the row of images."""
    if above is None:
        return images
    blank = np.ones([-len(images) % columns, *images.shape[1:]], images.dtype)
    pairs = [np.concatenate([x, blank]).reshape(-1, columns, *x.shape[1:]) for x in (above, images)]
    return np.stack(pairs, axis=1).reshape(-1, *images.shape[1:])


def _bytes(image: np.ndarray) -> np.ndarray:
    """Returns an image on [-1, 1] as uint8 [H, W, 3]."""
    pixels = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.repeat(pixels, 3 // image.shape[-1], axis=-1)


def _write_table(path: Path, header: Sequence[str], names: Sequence[str], rows: list) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows([name, *row] for name, row in zip(names, rows, strict=True))
