"""The sources that the rules of the architecture check: the package and the tools."""

from pathlib import Path

import house

TOOLS = Path(__file__).parents[2] / "tools"
HOUSE = house.read() | {f"tools/{path.name}": path.read_text() for path in TOOLS.glob("*.py")}
