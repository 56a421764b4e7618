"""Tests of the animation of walks back from noise."""

import numpy as np
import pytest
from PIL import Image

import linear_walk
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.evals.pictures.tiles import grid
from tf_shortrun.kernels.walk import Heating
from tools import walk_animation

SEED = noise.make_seed(0)


def learner(shape=(4, 4, 1)):
    return linear_walk.learner(0.6, 0.3, Heating(8.0, 0), shape, extra_steps=2)


@pytest.mark.parametrize("name", ["walk.png", "walk.gif"])
def test_the_file_has_a_frame_per_step_and_ends_with_the_samples(name, tmp_path):
    pictures = walk_animation.frames(learner(), 2, 3, SEED)
    np.testing.assert_array_equal(pictures[-1], grid(learner().sample(6, SEED), 3))
    walk_animation.write(tmp_path / name, pictures, 100)
    with Image.open(tmp_path / name) as image:
        assert image.n_frames == len(pictures) == 1 + 3 + 2
        for number, expected in enumerate(pictures):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)


def test_colours_are_kept(tmp_path):
    pictures = walk_animation.frames(learner((4, 4, 3)), 1, 1, SEED)
    walk_animation.write(tmp_path / "walk.png", pictures, 100)
    with Image.open(tmp_path / "walk.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pictures[0])


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match="^[^\n]*mp4 is neither .png nor .gif[^\n]*$"):
        walk_animation.write(tmp_path / "walk.mp4", [], 100)


def test_a_missing_run_is_one_line(tmp_path, capsys):
    options = [f"--workdir={tmp_path}", f"--out={tmp_path}/walk.png"]
    assert walk_animation.main(options) == 2
    assert "has no operative.gin" in capsys.readouterr().err
