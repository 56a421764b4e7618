"""Data sets: each loader returns a `Dataset` with two splits, which makes batches."""
