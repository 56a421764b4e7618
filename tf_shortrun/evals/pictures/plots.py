"""Plain plots as uint8 [H, W, 3]: bars, and curves that say their range."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_BAR_HEIGHT, _BARS_WIDTH, _ORANGE = 120, 640, (240, 140, 40)
_WIDTH, _HEIGHT, _TOP, _LEFT, _FINENESS, _LETTERS = 640, 240, 26, 64, 3, 13  # pixels
_WHITE, _BLACK, _PALE = (255, 255, 255), (30, 30, 30), (215, 215, 215)
_COLOURS = ((31, 100, 170), (215, 95, 20))


def bars(heights: np.ndarray, ticks: np.ndarray) -> np.ndarray:
    """White bars of `heights` [m] between 0 and 1, on black, with orange ticks at `ticks`."""
    width = max(1, _BARS_WIDTH // len(heights))
    level = np.arange(_BAR_HEIGHT)[::-1, None]
    tops, marks = (np.round(np.asarray(x) * _BAR_HEIGHT) for x in (heights, ticks))
    picture = np.where((level < tops)[..., None], 255, 0)
    marks = np.clip(marks, 1, _BAR_HEIGHT - 1)
    picture = np.where((abs(level + 0.5 - marks) < 1)[..., None], _ORANGE, picture)
    picture = np.repeat(picture, width, axis=1)
    if width > 3:
        picture[:, width - 1 :: width] = 0
    return picture.astype(np.uint8)


def lines(title: str, curves: Mapping[str, np.ndarray], least_span: float) -> np.ndarray:
    """Two curves or fewer over equal distances on [0, 1], their labels in their colours.

    The vertical axis runs over all values, and over at least `least_span` about their middle.
    """
    values = np.concatenate([*curves.values()])
    middle = (values.min() + values.max()) / 2
    half = max(np.ptp(values), least_span, 1e-9) / 2
    image = Image.new("RGB", (_WIDTH * _FINENESS, _HEIGHT * _FINENESS), _WHITE)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(_LETTERS * _FINENESS)

    def place(x, y):
        right = _LEFT + x * (_WIDTH - _LEFT - 12)
        down = _TOP + 8 + (middle + half - y) / (2 * half) * (_HEIGHT - _TOP - 24)
        return right * _FINENESS, down * _FINENESS

    def write(where, text, colour, anchor):
        pen.text(where, text, colour, font, anchor)

    for y in (middle - half, middle, middle + half):
        pen.line([place(0, y), place(1, y)], _PALE, _FINENESS)
        right, down = place(0, y)
        write((right - 6 * _FINENESS, down), f"{round(y, 9) + 0.0:.4g}", _BLACK, "rm")
    across = _LEFT * _FINENESS
    for label, colour in {title: _BLACK, **dict(zip(curves, _COLOURS, strict=False))}.items():
        write((across, _TOP * _FINENESS // 2), label, colour, "lm")
        across += pen.textlength(label, font) + 16 * _FINENESS
    for y, colour in zip(curves.values(), _COLOURS, strict=False):
        points = [place(*point) for point in zip(np.linspace(0, 1, len(y)), y, strict=True)]
        pen.line(points, colour, 2 * _FINENESS, "curve")
    return np.asarray(image.reduce(_FINENESS))
