"""Generators of binary latents whose prior is a restricted Boltzmann machine."""
