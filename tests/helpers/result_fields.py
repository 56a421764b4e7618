"""What a `Result` is made of, for tests."""

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
    "metrics": {"mse": 0.25},
    "protocol": {"mse": "On ten images."},
}
