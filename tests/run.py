"""Entry point of a Bazel test: pytest on the files that are named."""

import sys

import pytest

sys.exit(pytest.main(sys.argv[1:]))
