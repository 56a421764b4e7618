"""The training loop that all learners share: experiments, training, checkpoints, evaluation."""
