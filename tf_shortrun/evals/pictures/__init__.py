"""Pictures shared by several methods, called like evals, and functions to draw them."""
