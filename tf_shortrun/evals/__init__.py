"""Evals `evaluate(learner, dataset, seed) -> {name: float}`; they use only the contract."""
