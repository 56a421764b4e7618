"""The fields of a `Result`, for tests."""

FIELDS = {
    "method": "vae",
    "dataset": "mnist",
    "variant": "",
    "seed": 0,
    "scale": "paper",
    "steps": 10,
    "seconds": 2.5,
    "hardware": {"cpu": "x", "cores": 2, "memory_gib": 4.0, "gpus": []},
    "versions": {"numpy": "2"},
    "commit": None,
    "command": "python -m tf_shortrun.main",
    "status": "finished",
    "metrics": {"mse": 0.25},
    "protocol": {"mse": "On ten images."},
    "better": {"mse": "lower"},
    "changes": [],
    "rollbacks": [],
    "score_percentiles": {},
    "validation": {},
    "data": {"num_train": 9, "num_test": 3, "shape": [2, 4, 1], "split": "<shuffled>"},
}
HIGHER = {"modes", "f1", "bound", "log_likelihood/ais", "auroc"}


def with_metrics(metrics: dict[str, float], made: str = "On ten images.") -> dict:
    """Returns the fields of a result that depend on its metrics."""
    better = {name: "higher" if name in HIGHER else "lower" for name in metrics}
    return {"metrics": metrics, "protocol": dict.fromkeys(metrics, made), "better": better}
