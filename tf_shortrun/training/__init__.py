"""One loop for every learner: experiments, training, checkpoints, evaluation."""
