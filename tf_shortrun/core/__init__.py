"""The base of all other folders: shapes, noise, latents, errors, contracts, optimization."""
