"""How latents are found: `inference(model, batch, seed) -> Posterior`."""
