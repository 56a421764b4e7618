"""Energy-based models with a generator as sampler, and their baseline, the Wasserstein GAN."""
