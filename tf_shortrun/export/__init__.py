"""Export of a learner as a SavedModel whose signatures check their inputs."""
