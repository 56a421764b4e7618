"""Generators with binary latents, whose prior is a restricted Boltzmann machine."""
