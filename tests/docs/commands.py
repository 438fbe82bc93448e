"""The reference of the command line, from click."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hotline.cli import main

_INTRO = """# Commands

`hotline COMMAND --help` says the same. Dates are UTC, as `2031-03-12` or `2031-03-12T03:12:00Z`. What is refused changes
nothing: the command says why in a sentence, with the [code](refusals.md) behind it, and ends with status 1; wrong usage ends
with 2. A passphrase is asked for, or read from a file that only its owner can read, or from an open descriptor; it is
never an argument. New ones have at least 12 characters."""


def commands() -> list[str]:
    """The page's lines, without the mark of a generated page."""
    lines = [*_INTRO.splitlines(), ""]
    group = click.Context(main, info_name="hotline")
    for name in main.list_commands(group):
        command = main.get_command(group, name)
        assert command is not None
        lines += _command(command, click.Context(command, parent=group, info_name=name), 2)
    return lines


def _command(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {context.command_path}"
    yield ""
    yield _text(command.help)
    yield ""
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            inner = command.get_command(context, name)  # a lazy group loads it only now
            assert inner is not None
            yield from _command(inner, click.Context(inner, parent=context, info_name=name), depth + 1)
        return
    pieces = " ".join(command.collect_usage_pieces(context))
    yield from ("```", f"{context.command_path} {pieces}", "```", "")
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield from ("| option | |", "|---|---|")
        yield from (_option(each, context) for each in options)
        yield ""


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(option.opts) + "".join(f" / {name}" for name in option.secondary_opts)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    facts = [option.help or ""]
    if option.required:
        facts.append("Required.")
    if option.multiple and "repeated" not in (option.help or ""):
        facts.append("May be repeated.")
    if option.show_default:
        facts.append(f"Default: `{option.default}`.")
    words = " ".join(fact for fact in facts if fact)
    return f"| {_code(names + value)} | {words} |"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _text(text: str | None) -> str:
    paragraphs = (text or "").replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
