"""The version of the package, in its own file, so that a build reads it without other imports."""

__version__ = "0.1.0"
