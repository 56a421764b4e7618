"""MCMC kernels: pure step functions, and the one loop that runs them."""
