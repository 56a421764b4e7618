"""What somebody may have meant by a word that is not known, in a short phrase."""

import difflib
from collections.abc import Sequence

_MOST = 200  # characters


def near(name: str, known: Sequence[str]) -> str:
    """Returns a phrase of at most 200 characters with the known words most similar to `name`.

    It says how many others there are; without a similar one it has all of them, if they fit.
    """
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    for num in range(len(close), 0, -1):
        others = len(known) - num
        more = f" ({others:,} other{'s' * (others > 1)})" if others else ""
        phrase = f"did you mean {' or '.join(close[:num])}?{more}"
        if len(phrase) <= _MOST:
            return phrase
    phrase = f"there are {', '.join(known) or 'none'}"
    return phrase if len(phrase) <= _MOST else f"check the spelling ({len(known):,} are known)"
