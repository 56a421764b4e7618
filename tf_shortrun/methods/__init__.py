"""Methods that learn a generative model, one folder each. No method imports another."""
