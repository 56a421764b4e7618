"""Keras networks and layers that do not belong to one method, and distributions they describe."""
