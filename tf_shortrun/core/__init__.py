"""What everything stands on: shapes, noise, nests of latents, errors, contracts, optimization."""
