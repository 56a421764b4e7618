"""Pictures that several methods draw, called like evals, and what they are drawn with."""
