"""Deep generative models learned by short MCMC inside the training loop."""

from tf_shortrun.core.version import __version__

__all__ = ["__version__"]
