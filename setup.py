"""The packages of a wheel; all else is in pyproject.toml."""

from setuptools import find_packages, setup

# Two folders of gin files lie beside the package, where pins and commands name them, and must be
# inside it once installed: at the top of site-packages gin/ would mix with the gin package. A list
# that is found and these two besides cannot be said in pyproject.toml.
FOLDERS = {"tf_shortrun.gin": "gin", "tf_shortrun.reproduce": "reproduce"}

setup(
    packages=[*find_packages(include=["tf_shortrun", "tf_shortrun.*"]), *FOLDERS],
    package_dir=FOLDERS,
)
