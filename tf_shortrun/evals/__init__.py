"""How good it is. `evaluate(learner, dataset, seed) -> {name: float}`; evals know only the Learner contract."""
