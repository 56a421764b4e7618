"""How good it is: `evaluate(learner, dataset, seed) -> {name: float}`, by contract alone."""
