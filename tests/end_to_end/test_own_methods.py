"""Every method trains on images of one's own, by one more gin file after --images."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_shortrun.cli import config, own_images
from tf_shortrun.core import noise
from tf_shortrun.training.steps import make_steps

ROOT = Path(__file__).parents[2]
METHODS = sorted(path.stem for path in (ROOT / "gin/own").glob("*.gin"))
PARTS = {"latent", "energy"}  # which the fragments of methods include
LATENT = ["FEATURES = 4"]
WIDTHS = ["top_down.TopDownGenerator.latent_widths = (4, 4)"]
CHAIN = ["short_run.ShortRun.num_steps = 2"]
NUM_LATENTS = ["NUM_LATENTS = 4", "top_down.TopDownGenerator.latent_widths = (4,)"]
SMALL = {
    "short_run": [*LATENT, *WIDTHS, *CHAIN],
    "abp": [*LATENT, *WIDTHS, *CHAIN],
    "particles": [*LATENT, *WIDTHS, *CHAIN, "NUM_PARTICLES = 2"],
    "lebm_particles": [*LATENT, "top_down.TopDownGenerator.latent_widths = (4,)", *CHAIN,
                       "latent_energy.LatentEnergy.num_prior_steps = 2", "NUM_PARTICLES = 2"],
    "lebm": [*LATENT, "top_down.TopDownGenerator.latent_widths = (4,)", *CHAIN,
             "latent_energy.LatentEnergy.num_prior_steps = 2"],
    "vae": [*LATENT, "top_down.TopDownGenerator.latent_widths = (4,)"],
    "ladder_vae": [*LATENT, *WIDTHS],
    "glo": [*LATENT, *NUM_LATENTS, "NUM_FIRST_STEPS = 1"],
    "rae": [*LATENT, *NUM_LATENTS, "NUM_FIRST_STEPS = 1"],
    "two_stage_vae": [*LATENT, *NUM_LATENTS, "NUM_FIRST_STEPS = 1"],
    "walkback": ["networks.convolutional.channels = (8,)", "networks.convolutional.units = (8,)",
                 "walk.Heating.factor = 300.0"],
    "max_entropy": ["UP = (8, 8, 8, 8)", "DOWN = (8, 8, 8, 8)"],
    "wgan_gp": ["UP = (8, 8, 8, 8)", "DOWN = (8, 8, 8, 8)"],
    "binary_latent": ["NUM_LATENTS = 8", "NUM_CODE_STEPS = 1", "NUM_PRIOR_STEPS = 1",
                      "gibbs_chains.PersistentChains.num_sweeps = 1"],
}  # fmt: skip
NO_JUDGES = ["experiment.Experiment.evals = []", "experiment.Experiment.pictures = []"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Returns twelve pictures, 16 high and 20 wide."""
    place = tmp_path_factory.mktemp("photos")
    for i in range(14):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{i}.png")
    return place


def build(method, photos, strategy, *bindings):
    fragment = [] if method == "short_run" else [f"gin/own/{method}.gin"]
    given = [*SMALL[method], *bindings]
    asked = own_images.resolve(str(photos), "16x20", fragment, given)
    experiment = config.load(*asked)
    with config.explained():
        learner = experiment.build(strategy)
    config.check_used()
    return experiment, learner


def test_each_fragment_is_tried_and_in_the_guide():
    text = (ROOT / "docs/guide/own_images.md").read_text()
    named = re.findall(r"tf-shortrun --images=photos --gin_file=gin/own/(\w+)\.gin", text)
    assert sorted(named) == sorted({*METHODS} - PARTS) == sorted({*SMALL} - {"short_run"})


@pytest.mark.parametrize("method", SMALL)
def test_a_method_makes_two_updates_of_few_images_that_are_not_square(method, photos, one_replica):
    experiment, learner = build(method, photos, one_replica)
    assert experiment.examples_per_update == 10 and learner.image_shape == (16, 20, 3)
    step_at = make_steps(one_replica, learner, noise.make_seed(0))
    batches = iter(experiment.dataset.train_batches(10, seed=0))
    for step in (1, 2):
        metrics = step_at(step)(next(batches), tf.constant(step))
        assert metrics and all(np.isfinite(value) for value in metrics.values())
    assert learner.sample(3, noise.make_seed(0)).shape == (3, 16, 20, 3)


@pytest.mark.parametrize("method", SMALL)
def test_evals_and_pictures_can_be_emptied_by_flags(method, photos, one_replica):
    experiment, _ = build(method, photos, one_replica, *NO_JUDGES)
    assert not experiment.evals and not experiment.pictures
