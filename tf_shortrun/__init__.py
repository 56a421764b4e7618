"""Deep generative models learned by short MCMC inside the training loop.

    import tf_shortrun as sr

    model = sr.Decoder(network, latent_widths=[20], sigma=0.3)     # any Keras network
    learner = sr.LatentLikelihood(model, sr.ShortRun(20, 0.005), keras.optimizers.Adam(1e-3))
    run = sr.fit(learner, images, num_steps=1000, seed=0)
    run.sample(64), run.reconstruct(images), run.encode(images), run.export("served")

The names of `__all__` are the public face; they are imported when they are first used. Deeper
paths can be imported too, and may change before version 1.
"""

import importlib
from typing import TYPE_CHECKING

from tf_shortrun.core.version import __version__

if TYPE_CHECKING:
    from tf_shortrun.api import Run, fit, load
    from tf_shortrun.core.allocator import keep_memory
    from tf_shortrun.core.errors import DivergenceError, InputError
    from tf_shortrun.data.dataset import Dataset, Split
    from tf_shortrun.data.table import table
    from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
    from tf_shortrun.methods.latent.latent_model import Decoder
    from tf_shortrun.methods.latent.short_run import ShortRun
    from tf_shortrun.methods.latent.top_down import TopDownGenerator
    from tf_shortrun.reporting.frame import results

# Imported late: a command sets up the process before it imports TensorFlow.
_WHERE = {
    "api": ("Run", "fit", "load"),
    "core.allocator": ("keep_memory",),
    "core.errors": ("DivergenceError", "InputError"),
    "data.dataset": ("Dataset", "Split"),
    "data.table": ("table",),
    "methods.latent.latent_likelihood": ("LatentLikelihood",),
    "methods.latent.latent_model": ("Decoder",),
    "methods.latent.short_run": ("ShortRun",),
    "methods.latent.top_down": ("TopDownGenerator",),
    "reporting.frame": ("results",),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Dataset",
    "Decoder",
    "DivergenceError",
    "InputError",
    "LatentLikelihood",
    "Run",
    "ShortRun",
    "Split",
    "TopDownGenerator",
    "__version__",
    "fit",
    "keep_memory",
    "load",
    "results",
    "table",
]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
