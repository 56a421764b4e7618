"""Pages of the methods and of the benchmark: commands write every table, links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILIES = ("latent", "walkback", "energy", "binary")
PAGES = [*(f"reproduce/{family}.md" for family in FAMILIES), "README.md", "tools/BENCHMARK.md"]
GENERATED = re.compile(r"<!-- (?:table|benchmark): .*?<!-- /(?:table|benchmark) -->", re.DOTALL)
TABLE = re.compile(r"^(.*\|.*)\n(?=.*\|)[ |:-]*-[ |:-]*\n((?:.*\|.*\n?)*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Tables of README.md without measured numbers, or with one in every row.
FREE = ("| file | content |", "| method | idea | result |")


def typed_tables(page: str, text: str) -> list[str]:
    """Returns the first lines of tables that no command writes."""
    found = TABLE.findall(GENERATED.sub("", text))
    if page == "README.md":
        found = [(head, rows) for head, rows in found if not is_allowed(head, rows)]
    return [head for head, _ in found]


def is_allowed(head: str, rows: str) -> bool:
    return head in FREE or all("<!-- number: " in row for row in rows.splitlines())


def dead_links(page: str, text: str) -> list[str]:
    """Returns the relative links of a page to files or headings that do not exist."""
    links = [link for link in LINK.findall(text) if not re.match(r"\w+:", link)]
    return [link for link in links if not is_alive(ROOT / page, text, link)]


def is_alive(page: Path, text: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not anchor or not target.is_file():
        return target.exists()
    return anchor in anchors(target.read_text() if path else text)


def anchors(text: str) -> set[str]:
    """Returns the names of headings, as GitHub writes them, and of elements of HTML."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    named = (re.sub(r"[^\w -]", "", heading).strip().lower() for heading in headings)
    return {name.replace(" ", "-") for name in named} | set(re.findall(r' id="(\S+)"', text))


@pytest.mark.parametrize("page", PAGES)
def test_commands_write_every_table(page):
    text = (ROOT / page).read_text()
    assert not typed_tables(page, text)
    for table in GENERATED.findall(text):
        assert "-->\n|  | " in table, "fill it"
    typed = ["\n| a | b |\n| --- | --- |\n| x | 0.5 |\n", "\na | c\n--|:-:\nx | 0.5\n"]
    assert typed_tables(page, text + "".join(typed)) == ["| a | b |", "a | c"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text()
    assert len(LINK.findall(text)) > 10
    assert not dead_links(page, text)
    planted = ["no_file.png", "#no-heading", "CONTRIBUTING.md#no-heading"]
    planted[2] = planted[2] if page == "README.md" else f"../{planted[2]}"
    alive = "\n## A heading: it exists\n[here](#a-heading-it-exists) [there](https://example.org)"
    assert dead_links(page, text + alive) == []
    assert dead_links(page, text + "".join(f"[a]({link})" for link in planted)) == planted


@pytest.mark.parametrize(
    "page", [*ROOT.glob("reproduce/*.md"), *ROOT.glob("docs/**/*.md")], ids=str
)
def test_no_line_begins_with_a_number_directive(page):
    """A line that begins with a comment ends the paragraph before it."""
    assert not re.search(r"^\s*(- )?<!-- (number:|/ )", page.read_text(), re.MULTILINE)
