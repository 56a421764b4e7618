"""Images and the initial state of a learner in few bytes, with NumPy alone.

Images become differences between neighbours, which compress well. Of the initial state only what
cannot be described travels: a constant is a number, and large weights that were drawn uniformly are
drawn again, from another stream of random numbers.
"""

import lzma

import numpy as np

MANY = 1024  # numbers by which a uniform distribution can be told, and its limit measured to 1/1000
_UNIFORM = 3**0.5  # the limit, in standard deviations


def pack(images: np.ndarray) -> bytes:
    """Returns images [N, H, W, C], uint8 or floats, as bytes for `unpack`."""
    if images.dtype == np.uint8:
        images = np.diff(images, axis=2, prepend=np.zeros_like(images[:, :, :1]))  # modulo 256
    return lzma.compress(np.ascontiguousarray(images).tobytes(), preset=6)


def unpack(packed: bytes, shape: list[int], dtype: str) -> np.ndarray:
    """Returns the images of `pack`, with their shape and type."""
    images = np.frombuffer(lzma.decompress(packed), dtype).reshape(shape)
    return np.cumsum(images, axis=2, dtype=np.uint8) if images.dtype == np.uint8 else images


def describe(array: np.ndarray) -> dict | None:
    """Returns how `make` gets an array that was just initialised; None if it must travel."""
    known = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.min() == array.max():
        return known | {"fill": array.flat[0].item()}
    largest = float(np.abs(array).max())
    if array.size >= MANY and abs(largest / array.std() - _UNIFORM) < 0.05:
        return known | {"uniform": largest}
    return None


def make(recipe: dict, seed: list[int]) -> np.ndarray:
    """Returns an array by its recipe; `seed` decides what is drawn."""
    shape, dtype = recipe["shape"], recipe["dtype"]
    if "fill" in recipe:
        return np.full(shape, recipe["fill"], dtype)
    limit = recipe["uniform"]
    return np.random.default_rng(seed).uniform(-limit, limit, shape).astype(dtype)
