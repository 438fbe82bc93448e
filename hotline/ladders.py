"""The ladder files that ship with the package, by id."""

from __future__ import annotations

from importlib import resources

from hotline.errors import LocalFault


class NoSuchLadder(LocalFault):
    """No ladder of this id ships with the package."""

    code = "ladder.unknown"
    _sentence = "No ladder of this name comes with this program. Nothing was changed; give the ladder's file."


def shipped() -> dict[str, bytes]:
    """Every shipped ladder: id to the exact bytes of its file."""
    folder = resources.files("mediation") / "ladders"
    files = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file.read_bytes() for file in sorted(files, key=lambda file: file.name)}


def load(name: str) -> bytes:
    """The exact bytes of the shipped ladder called ``name``. Raises `NoSuchLadder`."""
    found = shipped()
    if name not in found:
        raise NoSuchLadder(f"{name[:64]!r}; there are {', '.join(found)}")
    return found[name]
