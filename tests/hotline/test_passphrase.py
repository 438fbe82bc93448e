"""Where a passphrase may come from: a file, a descriptor, a prompt. Never an argument."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hotline import passphrase
from hotline.passphrase import PassphraseSource, PassphraseUnusable

GOOD = "correct horse battery"


@click.command()
@passphrase.options("station.key", new=True)
def make(passphrase: PassphraseSource) -> None:
    click.echo(f"got {len(passphrase.get())} {passphrase!r}")


def secret_file(folder: Path, text: str = GOOD + "\n", mode: int = 0o600) -> Path:
    path = folder / "pass"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_it_is_read_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    assert PassphraseSource("k", file=secret_file(tmp_path)).get() == GOOD.encode()


def test_it_is_read_from_a_descriptor_which_is_closed_afterwards() -> None:
    reader, writer = os.pipe()
    os.write(writer, GOOD.encode() + b"\r\n")
    os.close(writer)
    assert PassphraseSource("k", fd=reader).get() == GOOD.encode()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(reader)


def test_a_new_one_is_asked_for_twice() -> None:
    runner = CliRunner()
    assert "got 21" in runner.invoke(make, input=f"{GOOD}\n{GOOD}\n").output
    differing = runner.invoke(make, input=f"{GOOD}\nsomething else here\n")
    assert differing.exit_code != 0
    assert "do not match" in differing.output


def test_the_prompt_does_not_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def prompt(text: str, *, hide_input: bool, confirmation_prompt: bool) -> str:
        asked.append(hide_input)
        return GOOD

    monkeypatch.setattr(click, "prompt", prompt)
    assert PassphraseSource("k").get() == GOOD.encode()
    assert asked == [True]


def test_without_a_terminal_nothing_is_read_with_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(*_: object, **__: object) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return "echoed"

    monkeypatch.setattr(click, "prompt", prompt)
    with pytest.raises(PassphraseUnusable, match="no terminal"):
        PassphraseSource("k").get()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PassphraseUnusable, match="0600"):
        PassphraseSource("k", file=secret_file(tmp_path, mode=mode)).get()


def test_empty_missing_and_monstrous_ones_are_refused(tmp_path: Path) -> None:
    for text in ("", "\n", "x" * 5000):
        with pytest.raises(PassphraseUnusable):
            PassphraseSource("k", file=secret_file(tmp_path, text)).get()
    with pytest.raises(PassphraseUnusable, match="cannot read"):
        PassphraseSource("k", file=tmp_path / "none").get()
    with pytest.raises(PassphraseUnusable, match="cannot read"):
        PassphraseSource("k", fd=987).get()


def test_a_new_one_that_is_short_is_refused_and_an_old_one_is_not(tmp_path: Path) -> None:
    short = secret_file(tmp_path, "short\n")
    with pytest.raises(PassphraseUnusable, match="12 characters"):
        PassphraseSource("k", file=short, new=True).get()
    assert PassphraseSource("k", file=short).get() == b"short"


def test_two_sources_at_once_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(make, ["--passphrase-file", str(secret_file(tmp_path)), "--passphrase-fd", "3"])
    assert result.exit_code == 2
    assert "not both" in result.output


def test_there_is_no_option_that_takes_it_as_an_argument() -> None:
    assert {p.name for p in make.params} == {"passphrase_file", "passphrase_fd"}
    assert CliRunner().invoke(make, ["--passphrase", GOOD]).exit_code == 2


def test_the_process_list_does_not_show_it(tmp_path: Path) -> None:
    script = (
        "import pathlib,sys;from hotline.passphrase import PassphraseSource;"
        "p=PassphraseSource('k',file=pathlib.Path(sys.argv[1]));p.get();"
        "print(pathlib.Path('/proc/self/cmdline').read_bytes()+pathlib.Path('/proc/self/environ').read_bytes())"
    )
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc on this system")
    run = subprocess.run(
        [sys.executable, "-c", script, str(secret_file(tmp_path))], capture_output=True, check=True, text=True
    )
    assert GOOD not in run.stdout


def test_neither_source_nor_error_shows_it(tmp_path: Path) -> None:
    source = PassphraseSource("k", file=secret_file(tmp_path, "short pass\n"), new=True)
    with pytest.raises(PassphraseUnusable) as caught:
        source.get()
    assert "short pass" not in repr(source) + repr(vars(source)) + str(caught.value)
