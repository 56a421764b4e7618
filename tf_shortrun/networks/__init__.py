"""Keras networks and layers shared by methods, and distributions of observations."""
