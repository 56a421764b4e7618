"""Strategies of damaged files, for tests by hypothesis."""

from hypothesis import strategies as st


def damaged(whole, parts, longest=6):
    """Returns a strategy of texts or bytes like `whole`: a few places replaced, perhaps cut off.

    parts: a strategy of what is put there.  longest: how much is taken away at one place.
    """
    places = st.integers(0, len(whole))
    edits = st.lists(st.tuples(places, st.integers(0, longest), parts), max_size=4)
    return st.builds(_damage, st.just(whole), edits, st.just(len(whole)) | places)


def damaged_bytes(whole):
    return damaged(whole, st.binary(max_size=6))


def _damage(whole, edits, end):
    for place, length, part in edits:
        whole = whole[:place] + part + whole[place + length :]
    return whole[:end]
