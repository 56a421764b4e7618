"""Programs that accompany the package, run as `python -m tools.<name>`."""
