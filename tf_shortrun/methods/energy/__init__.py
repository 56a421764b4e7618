"""Energies with generators that sample them; and a baseline, the Wasserstein GAN."""
