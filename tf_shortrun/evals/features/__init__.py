"""Feature extractors of images, and distances between sets of features."""
