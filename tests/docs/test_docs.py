"""The documentation says what the code does, and its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from aiohttp import web

from hotline.cli import main
from protocols.entry import Payload, Stamp
from tests.docs.generate import REFERENCE, ROOT, pages
from web.desk import api, files

PAGES = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_those_that_the_code_makes(path: Path) -> None:
    assert path.read_text("utf-8") == pages()[path], "run: python -m tests.docs"


def anchors(text: str) -> set[str]:
    """The anchors that headings of a page make."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} in {page.name}"
        assert ROOT in found.parents, target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), f"{target} in {page.name}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for path in folder.glob("[0-9]*.md"):
        assert f"({path.name})" in index


@pytest.mark.parametrize("struct", [Payload, Stamp])
def test_the_wire_reference_names_every_member_of_what_is_signed(struct: type) -> None:
    text = (REFERENCE / "wire.md").read_text("utf-8")
    for field in struct.__struct_encode_fields__:  # type: ignore[attr-defined]  # msgspec's
        assert f"| `{field}` |" in text, field


def test_the_reference_of_the_desk_names_every_route() -> None:
    text = (REFERENCE / "desk-api.md").read_text("utf-8")
    app = web.Application()
    for part in (api, files):
        part.add_routes(app)
    routes = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    assert {f"{method} {path}" for method, path in re.findall(r"^\| `(GET|POST) (\S+)` \|", text, re.MULTILINE)} == {
        route for route in routes if not route.startswith("HEAD")
    }


def commands_of(page: Path) -> Iterator[list[str]]:
    """Every ``hotline`` command in a page's code, as words."""
    text = page.read_text("utf-8")
    code = [
        *re.findall(r"^```(?:sh|ini)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL),
        *re.findall(r"`(hotline [^`]+)`", text),
    ]
    for block in code:
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.search(r"(?:^|[\s=/])hotline ([a-z].*)", line):
                yield shlex.split(match[1].split(" < ")[0].split(" | ")[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_in_the_documentation_exist_with_their_options(page: Path) -> None:
    for words in commands_of(page):
        command: click.Command = main
        context = click.Context(main)
        rest = list(words)
        while isinstance(command, click.Group) and rest:
            found = command.get_command(context, rest[0])
            if found is None:
                break
            command, rest = found, rest[1:]
        if command is main:
            continue  # prose, such as "hotline COMMAND"
        assert not (isinstance(command, click.Group) and rest and not rest[0].startswith("-")), words
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known, words


SOURCES = sorted(
    path for part in ("hotline", "web") for path in (ROOT / part).rglob("*") if path.suffix in (".html", ".py")
)


def test_commands_that_the_program_names_exist() -> None:
    named = 0
    for path in SOURCES:
        # A sentence may run on over two lines of source; behind the command stand its arguments or the sentence.
        text = re.sub(r'"\s+f?"', "", path.read_text("utf-8"))
        for group, name in re.findall(r"\bhotline ([a-z]+) ([a-z][a-z-]*)\b", text):
            command = main.get_command(click.Context(main), group)
            if not isinstance(command, click.Group):
                continue  # a command of one word
            named += 1
            assert command.get_command(click.Context(command), name) is not None, (path, group, name)
    assert named > 20


def test_the_documentation_speaks_of_the_product_only() -> None:
    for page in PAGES:
        assert not re.search(r"\bTODO\b|\bTBD\b|lorem ipsum", page.read_text("utf-8")), page
