"""Tests that the PyTorch peer of the benchmark is the same network."""

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.blocks import GaussianConditional, LadderMerge, released_std
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tools import peer, peer_process

SEED = noise.make_seed(3)
NEEDS_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
GRADIENTS = """
import sys
import numpy as np
import torch
from tools.torch_peer import Peer

peer = Peer(sys.argv[1], "float32")
latents = [torch.from_numpy(z).requires_grad_() for z in np.load(sys.argv[2]).values()]
gradients = torch.autograd.grad(peer.log_joint(latents), latents)
image = peer.network(latents).detach().permute(0, 2, 3, 1)
np.savez(sys.argv[3], image, *gradients)
"""


PUBLISHED = functools.partial(GaussianConditional, std_fn=released_std)


def generator(conditional=PUBLISHED):
    return TopDownGenerator((16, 16, 3), (3, 4, 5), 6, 2, conditional, sigma=0.3)


@pytest.fixture
def described(tmp_path):
    """Returns a model, images, and the file that describes both."""
    model = generator()
    x = tf.random.stateless_uniform([4, 16, 16, 3], SEED, -1.0, 1.0)
    peer.write(tmp_path / "network.npz", model, 0.001, x.numpy())
    return model, x, tmp_path / "network.npz"


@NEEDS_TORCH
def test_the_peer_has_the_same_images_and_gradients(described, tmp_path):
    model, x, file = described
    latents = model.sample_latents(4, SEED)
    np.savez(tmp_path / "latents.npz", *latents)
    names = [str(p) for p in (file, tmp_path / "latents.npz", tmp_path / "out.npz")]
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", GRADIENTS, *names], cwd=root, check=True)
    image, *gradients = np.load(tmp_path / "out.npz").values()
    with tf.GradientTape() as tape:
        tape.watch(latents)
        log_joint = tf.reduce_sum(model.log_joint(latents, x))
    assert np.allclose(image, model(latents), atol=1e-5)
    for ours, theirs in zip(tape.gradient(log_joint, latents), gradients, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_every_weight_is_written(described):
    model, _, file = described
    written = [array for name, array in np.load(file).items() if name.endswith(("weight", "bias"))]
    sizes = sorted(array.size for array in written)
    assert sizes == sorted(v.shape.num_elements() for v in model.trainable_variables)


@NEEDS_TORCH
def test_the_peer_works_on_request(described):
    with peer_process.Process(described[2]) as process:
        process.do("float32", 2)
        process.do("bfloat16", "update")


def test_a_missing_answer_is_explained_in_one_line(tmp_path):
    with (
        pytest.raises(InputError, match="is PyTorch installed"),
        peer_process.Process(tmp_path) as process,
    ):
        process.do("float32", 1)


def test_only_the_published_network_has_a_peer(tmp_path):
    with pytest.raises(InputError, match="choose another pin"):
        peer.write(
            tmp_path / "network.npz", generator(LadderMerge), 0.001, np.zeros([1, 16, 16, 3])
        )


@pytest.mark.parametrize(("flags", "num"), [("avx2 fma", 2), ("avx512f avx512_bf16 amx_bf16", 4)])
def test_bfloat16_is_left_out_if_the_processor_has_no_instructions(
    tmp_path, monkeypatch, flags, num
):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(peer_process, "CPUINFO", tmp_path / "cpuinfo")
    assert peer_process.variants() == peer_process.VARIANTS[:num]
