"""The name of a model as a part of the address at which a server offers it."""

import re

from tf_shortrun.core.errors import InputError


def check_address(name: str, what: str = "model name") -> None:
    """Raises InputError if a name cannot stand in a URL, or a server would read it otherwise."""
    if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII):
        raise InputError(
            f"wrong {what} {name[:50]!r}: use at most 100 letters, digits and _ . -, "
            "and begin with a letter or a digit"
        )
