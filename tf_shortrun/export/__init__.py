"""A learner as a SavedModel, with signatures that check their inputs, ready to be served."""
