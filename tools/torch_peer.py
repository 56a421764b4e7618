"""The top-down generator and its Langevin chain in PyTorch, to compare its speed with ours.

The network is the Gaussian variant with the released standard deviation, written as a PyTorch user
would write it: channels last, one autograd call for all latents, in float32 or with bfloat16
autocast, eager or with torch.compile. PyTorch is not a requirement of this package: install it with
`pip install torch`.

The program runs in its own process, because PyTorch and TensorFlow crash in the same process.
`tools/peer.py` starts it. The program reads lines from its standard input,

    VARIANT K         run a chain of K steps, VARIANT as in `tools/peer.py`
    VARIANT update    run a step of Adam on all parameters, with latents from the prior

and prints a line after each, when the work is done.
"""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tf_shortrun.core.allocator import keep_memory

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Generator(nn.Module):
    """The network from latents [B, d_L], ..., [B, d_1] to the mean image [B, C, H, W]."""

    def __init__(self, size: int, features: int, ups: int, widths: Sequence[int], channels: int):
        super().__init__()
        self.projections = nn.ModuleList(Projection(d, size, features) for d in widths)
        self.residuals = nn.ModuleList(Residual(features) for _ in widths)
        self.conditionals = nn.ModuleList(Conditional(d, size, features) for d in widths[1:])
        self.last = Residual(features)
        outputs = [features] * (ups - 1) + [channels]
        self.upsampling = nn.ModuleList(nn.ConvTranspose2d(features, n, 4, 2, 1) for n in outputs)

    def forward(self, latents):
        h = self.residuals[0](self.projections[0](latents[0]))
        layers = zip(self.conditionals, self.projections[1:], self.residuals[1:], strict=True)
        for (conditional, project, residual), eps in zip(layers, latents[1:], strict=True):
            h = residual(project(conditional(h, eps))) + h
        h = self.last(h)
        for upsample in self.upsampling[:-1]:
            h = F.gelu(upsample(h))
        return torch.tanh(self.upsampling[-1](h).float())


class Projection(nn.Module):
    def __init__(self, width: int, size: int, features: int):
        super().__init__()
        self.size = size
        self.dense = nn.Linear(width, 4 * size**2)
        self.spread = nn.ConvTranspose2d(4, features, 5, 1, 2, bias=False)

    def forward(self, z):
        maps = self.dense(z).view(-1, self.size, self.size, 4).permute(0, 3, 1, 2)
        return F.gelu(self.spread(maps))


class Residual(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.wide = nn.Conv2d(features, features, 5, padding=2)
        self.narrow = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, h):
        return h + F.gelu(self.narrow(F.gelu(self.wide(h))))


class Conditional(nn.Module):
    def __init__(self, width: int, size: int, features: int):
        super().__init__()
        kernel = min(5, size)
        rest = (size - kernel + 1) ** 2
        self.convolutions = nn.ModuleList(nn.Conv2d(features, width, kernel) for _ in range(2))
        self.denses = nn.ModuleList(nn.Linear(width * rest, width) for _ in range(2))

    def forward(self, h, eps):
        mean, raw = (
            dense(F.gelu(convolve(h)).permute(0, 2, 3, 1).flatten(1))
            for convolve, dense in zip(self.convolutions, self.denses, strict=True)
        )
        return mean + torch.exp(0.5 * torch.clamp(F.softplus(raw) + 1e-8, 0, 10)) * eps


class Peer:
    """The chain and the update, in one variant, of the network in a file of `tools/peer.py`."""

    def __init__(self, file: str, variant: str):
        arrays = dict(np.load(file))
        self.images = torch.from_numpy(arrays.pop("image")).permute(0, 3, 1, 2).to(DEVICE)
        self.sigma, self.step_size = map(float, (arrays.pop("sigma"), arrays.pop("step_size")))
        self.widths = arrays.pop("widths").tolist()
        network = Generator(
            *arrays.pop("sizes").tolist(), self.widths, channels=self.images.shape[1]
        )
        if arrays:  # else the weights are as PyTorch initialises them
            network.load_state_dict({name: _ordered(x) for name, x in arrays.items()})
        self.network = network.to(DEVICE, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-4)
        self.autocast = torch.autocast(DEVICE, torch.bfloat16, enabled="bfloat16" in variant)
        is_compiled = variant.endswith("compiled")
        self.log_joint = torch.compile(self._log_joint) if is_compiled else self._log_joint

    def draw(self) -> list[torch.Tensor]:
        """Draws latents from the prior."""
        return [torch.randn(len(self.images), d, device=DEVICE) for d in self.widths]

    def chain(self, num_steps: int):
        """Runs Langevin dynamics, with initial latents from the prior."""
        latents, s = self.draw(), self.step_size
        for _ in range(num_steps):
            gradients = torch.autograd.grad(
                self.log_joint([z.requires_grad_() for z in latents]), latents
            )
            latents = [
                z.detach() + s * g + (2 * s) ** 0.5 * torch.randn_like(z)
                for z, g in zip(latents, gradients, strict=True)
            ]

    def update(self):
        """Runs one step of Adam."""
        self.optimizer.zero_grad()
        (-self.log_joint(self.draw()) / len(self.images)).backward()
        self.optimizer.step()

    def _log_joint(self, latents):
        """Returns the log joint, summed over the batch, without constants."""
        with self.autocast:
            mean = self.network(latents)
        error = ((self.images - mean) ** 2).sum() / self.sigma**2
        return -0.5 * (error + sum((z**2).sum() for z in latents))


def _ordered(kernel: np.ndarray) -> torch.Tensor:
    """Reorders a weight of Keras for PyTorch.

    [in, out] becomes [out, in], [h, w, in, out] becomes [out, in, h, w]; transposed convolutions
    are reordered in the same way.
    """
    order = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[kernel.ndim]
    return torch.from_numpy(np.ascontiguousarray(np.transpose(kernel, order)))


def main(file: str):
    keep_memory()  # PyTorch uses the same allocator
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as XLA does
    peers = {}
    for line in sys.stdin:
        variant, work = line.split()
        if variant not in peers:
            peers[variant] = Peer(file, variant)
        peer = peers[variant]
        peer.update() if work == "update" else peer.chain(int(work))
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
