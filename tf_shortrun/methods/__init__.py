"""Ways to learn a generative model, a folder each. None knows another."""
