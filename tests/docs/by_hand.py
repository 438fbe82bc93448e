"""Runs the commands of the page that checks a bundle by hand, in one shell, as its reader would.

``python -m tests.docs.by_hand`` writes their output into the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.docs.example_bundle import BUNDLE, POLICY_FILE, ROOT_FILE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "evidence.md"
TOOLS = ("bash", "openssl", "sha256sum", "base64", "xxd", "awk", "sed", "grep", "unzip", "cmp")
MARK = "=== the next block ==="
_BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def missing_tools() -> list[str]:
    """What is not installed of the tools that the page names."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def blocks(page: str) -> list[tuple[str, str]]:
    """(commands, what the page says that they print) of each block, in order."""
    return [(commands, said or "") for commands, said in _BLOCK.findall(page)]


def run(page: str, folder: Path, *, faults: bool = False) -> list[str]:
    """What each block prints, the three files that its reader brings being in ``folder``. ``faults``: commands may fail."""
    for path in (BUNDLE, POLICY_FILE, ROOT_FILE):
        shutil.copy(path, folder / path.name)
    script = "".join(f"{commands}echo {MARK!r}\n" for commands, _ in blocks(page))
    done = subprocess.run(
        ["bash", "-u"], input=script, cwd=folder, capture_output=True, text=True, timeout=300, env=_environment()
    )
    assert faults or (done.returncode == 0 and done.stderr == ""), done.stderr
    return done.stdout.split(f"{MARK}\n")[:-1]


def filled(page: str, printed: list[str]) -> str:
    """The page with this output in it."""
    found = iter(printed)

    def block(match: re.Match[str]) -> str:
        said, text = next(found), match[0]
        if match[2] is None:
            assert said == "", f"a block that prints something and says nothing: {match[1]}"
            return text
        return f"```sh\n{match[1]}```\n\n```text\n{said.rstrip(chr(10))}\n```\n"

    return _BLOCK.sub(block, page)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(filled(text, run(text, Path(name))), "utf-8")
