"""Generators of continuous latents: short-run inference, and its baselines."""
