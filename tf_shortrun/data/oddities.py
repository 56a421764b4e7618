"""What was odd about the images of a source, in words for a log, a result and a report."""

from collections.abc import Sequence

from tf_shortrun.data.image_source import Source, counted, some
from tf_shortrun.data.loading import ONE_COLOUR, Loaded


def describe(source: Source, names: Sequence[str], loaded: Loaded) -> dict[str, str]:
    """Returns which images were converted, are of one colour, were skipped or left out."""
    of_all = f"of {len(names)} images, "
    kinds = {
        kind: f"{len(places)} {kind}: {some([names[place] for place in places], 3)}"
        for kind, places in loaded.converted.items()
    }
    of_one_colour = kinds.pop(ONE_COLOUR, None)
    found = {}
    if kinds:
        found["converted"] = of_all + "; ".join(kinds.values())
    if of_one_colour:
        found["of_one_colour"] = of_all + of_one_colour
    if loaded.unreadable:
        line = unread(source, names, loaded.unreadable)
        found["skipped"] = f"{len(loaded.unreadable)} {of_all.removesuffix(', ')}: {line}"
    if source.left_out:
        found["left_out"] = f"{counted(source.left_out)}: no images by name"
    return found


def unread(source: Source, names: Sequence[str], unreadable: dict[int, str]) -> str:
    """Returns a line with the number of unreadable images, the first names and the reasons."""
    first, *others = sorted(unreadable, key=names.__getitem__)
    line = f"cannot read {some([names[first]])} in {source.path} ({unreadable[first]})"
    if others:
        rest = [f"{names[place]} ({unreadable[place]})" for place in others]
        line += f" and {len(others)} more of {len(names)} images: {some(rest, 4)}"
    return line
