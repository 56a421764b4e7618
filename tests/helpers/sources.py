"""The sources that the rules of the house are held against: the package, and its tools."""

from pathlib import Path

import house

TOOLS = Path(__file__).parents[2] / "tools"
HOUSE = house.read() | {f"tools/{path.name}": path.read_text() for path in TOOLS.glob("*.py")}
