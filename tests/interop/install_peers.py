"""Install the implementations that ours is tested against: ``python -m tests.interop.install_peers``.

They go into ``.venv/peers`` (not tracked, gone with ``make clean``), by name and exact version from npm; no scripts of theirs
are run and no lock file is written. Where Node 20 or npm is missing, or the registry cannot be reached, this says so and
exits 1; the tests that need the packages are then skipped and name this command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "peers"
PACKAGES = (
    "ts-mls@1.6.4",
    "@noble/curves@2.0.1",
    "@noble/ciphers@2.1.1",
    "@noble/post-quantum@0.5.2",
    "@hpke/core@1.9.0",
    "@hpke/chacha20poly1305@1.8.0",
    "@hpke/dhkem-x448@1.8.0",
    "@hpke/hybridkem-x-wing@0.7.0",
    "@hpke/ml-kem@0.3.0",
)
COMMAND = "python -m tests.interop.install_peers"


def folder() -> Path | None:
    """Where the packages are: ``HOTLINE_TS_MLS`` if that names a folder with them, else ``.venv/peers``."""
    for candidate in (os.environ.get("HOTLINE_TS_MLS"), str(HOME)):
        if candidate and (Path(candidate) / "node_modules" / "ts-mls").is_dir():
            return Path(candidate)
    return None


def missing() -> str | None:
    """Why the other implementations cannot run here, or None if they can."""
    if shutil.which("node") is None:
        return "Node 20 is not installed"
    if folder() is None:
        return f"npm ts-mls is not installed: run `{COMMAND}`"
    return None


def main() -> int:
    """Install, unless that was done."""
    if missing() is None:
        return 0
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print("npm and Node 20 are needed for the tests against other implementations", file=sys.stderr)
        return 1
    HOME.mkdir(parents=True, exist_ok=True)
    options = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([npm, "install", *options, *PACKAGES], cwd=HOME, stdout=subprocess.DEVNULL, check=False)
    return done.returncode if done.returncode else int(missing() is not None)


if __name__ == "__main__":
    sys.exit(main())
