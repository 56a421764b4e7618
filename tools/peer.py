"""The client of `tools/torch_peer.py`: sends it a network, and requests work from it."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.blocks import GaussianConditional
from tf_shortrun.methods.latent.top_down import TopDownGenerator

VARIANTS = ("float32", "float32-compiled", "bfloat16", "bfloat16-compiled")
CPUINFO = Path("/proc/cpuinfo")


def variants() -> tuple[str, ...]:
    """Returns the variants to time.

    bfloat16 is left out if the processor has no instructions for it: a step of PyTorch would take
    minutes.
    """
    has_it = not CPUINFO.exists() or "bf16" in CPUINFO.read_text()
    return VARIANTS if has_it else tuple(name for name in VARIANTS if "bfloat16" not in name)


class Process:
    """A process of PyTorch that works on request: `process.do("float32", 5)`."""

    def __init__(self, file: Path):
        command = [sys.executable, "-m", "tools.torch_peer", str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, variant: str, work: int | str) -> None:
        """Requests a chain of `work` steps, or an "update", and waits until it is done.

        Raises:
          InputError: if the process stopped, e.g. because PyTorch is not installed.
        """
        with contextlib.suppress(BrokenPipeError):  # then the answer below is missing too
            print(variant, work, file=self._process.stdin, flush=True)
        if self._process.stdout.readline().strip() != "done":
            raise InputError("the PyTorch peer stopped, see above: is PyTorch installed?")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def write(file: Path, model: TopDownGenerator, step_size: float, image: np.ndarray) -> None:
    """Writes sizes and weights of `model`, and the images [B, H, W, C] for its chains, to `file`.

    Raises:
      InputError: if `model` is not the published network.
    """
    if not isinstance(model, TopDownGenerator) or not all(
        isinstance(c, GaussianConditional) for c in model.conditionals
    ):
        raise InputError("the peer has only Gaussian top-down generators: choose another pin")
    ups = model.upsampling.layers[::2]
    size = model.image_shape[0] // 2 ** len(ups)
    np.savez(
        file,
        image=image,
        sigma=model.sigma.numpy(),
        step_size=step_size,
        widths=model.latent_widths,
        sizes=[size, model.residuals[0].layers[0].filters, len(ups)],
        **dict(_weights(model)),
    )


def _weights(model: TopDownGenerator):
    """Yields (name in the peer, array in the layout of Keras) for every weight."""
    layers = {}
    for i, p in enumerate(model.projections):
        layers |= {f"projections.{i}.dense": p.layers[:1], f"projections.{i}.spread": p.layers[2:3]}
    blocks = {f"residuals.{i}": r for i, r in enumerate(model.residuals)} | {"last": model.last}
    for name, block in blocks.items():
        layers |= {
            f"{name}.wide": block.layers[:2],
            f"{name}.narrow": [*block.layers[2:], block.last],
        }
    for i, c in enumerate(model.conditionals):
        for j, readout in enumerate((c.mean, c.raw_std)):
            layers[f"conditionals.{i}.convolutions.{j}"] = readout[:2]
            layers[f"conditionals.{i}.denses.{j}"] = readout[-1:]
    ups = model.upsampling.layers
    layers |= {f"upsampling.{i}": ups[2 * i : 2 * i + 2] for i in range(len(ups) // 2)}
    for name, group in layers.items():
        arrays = [array for layer in group for array in layer.get_weights()]
        for part, array in zip(("weight", "bias"), arrays, strict=False):
            yield f"{name}.{part}", array
