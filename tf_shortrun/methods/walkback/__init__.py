"""Variational Walkback, operators that learn to walk back to the data, and its baseline GSN."""
