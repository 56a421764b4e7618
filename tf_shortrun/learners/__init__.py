"""How parameters change: one learner for each objective."""
