"""Programs around the package, run as `python -m tools.<name>`."""
