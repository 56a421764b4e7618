"""Deep generative models learned by short MCMC inside the training loop."""

__version__ = "0.1.0"
