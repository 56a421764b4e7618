"""Networks of codes as maps: layout, locality, and refusal of sizes that do not fit."""

import keras
import numpy as np
import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.code_maps import FromMaps, ToMaps, map_decoder, map_encoder, map_head


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(5)


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_vectors_are_maps_channel_by_channel():
    x = np.arange(24, dtype=np.float32).reshape(1, 24)
    maps = ToMaps(2)(x).numpy()
    np.testing.assert_array_equal(maps[0, 0, 1], [1, 5, 9, 13, 17, 21])
    np.testing.assert_array_equal(FromMaps()(maps), x)
    joined = ToMaps(2)(np.concatenate([x, x + 24], axis=1))
    np.testing.assert_array_equal(joined, np.concatenate([maps, maps + 24], axis=-1))


def test_networks_have_their_shapes():
    assert map_encoder(16, 1, 4)(normal(2, 12, 12, 3)).shape == (2, 16 * 9)
    assert map_head(side=3, outputs=18)(normal(2, 5 * 9)).shape == (2, 18)
    assert map_decoder(3, 8, 1, 4, 7)(normal(2, 18)).shape == (2, 12, 12, 7)


def reach(network, x, i):
    """Returns which outputs change by more than rounding if input i of the example changes."""
    changed = x.copy()
    changed.reshape(-1)[i] += 1
    return np.abs(network(changed) - network(x))[0] > 1e-6


def test_a_bit_reaches_the_pixels_around_its_place():
    """Two 3 x 3 convolutions without blocks: a distance of up to two places."""
    pixels = reach(map_decoder(8, 8, 0, 2, 1), normal(1, 2 * 64), 64 + 9)[..., 0]
    expected = np.zeros([16, 16], bool)
    expected[:8, :8] = True  # bit 64 + 9 has place (1, 1); places 0 to 3 are pixels 0 to 7
    np.testing.assert_array_equal(pixels, expected)
    features = reach(map_encoder(8, 0, 2), normal(1, 16, 16, 1), 2 * 16 + 3)  # place (1, 1)
    places = features.reshape(8, 8, 8).any(axis=0)
    expected = np.zeros([8, 8], bool)
    expected[:3, :3] = True
    np.testing.assert_array_equal(places, expected)


def test_bits_that_fill_no_map_are_refused_in_one_line():
    with pytest.raises(InputError, match="20 bits do not fill maps of 3 by 3") as error:
        map_head(3, 20)
    assert "\n" not in str(error.value)
