"""Generators with continuous latents: short-run inference and its baselines."""
