"""What one does with a trained run: sample, encode, score, ..., from Python and by command."""
