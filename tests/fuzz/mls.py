"""Fuzz the group engine with atheris: ``python -m tests.fuzz.mls [--seconds N] [--corpus FOLDER] [TARGET ...]``.

Runs every target (or those named) for N seconds each (10), from honest messages and whatever the corpus folder holds, and
leaves what it found new there (``.fuzz/mls`` unless named). Exits 1 at the first input that raises anything but the documented
errors; the input is kept beside the corpus as ``crash-..``. Needs atheris: ``pip install --require-hashes -r
requirements/fuzz.txt``; without it this says so and exits 2.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = "atheris is not installed: pip install --require-hashes -r requirements/fuzz.txt"


def available() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def run_one(target: str, folder: Path, seconds: int) -> None:
    """Fuzz one target in this process; never returns."""
    import atheris

    with atheris.instrument_imports(include=["protocols.mls"]):
        from tests.fuzz.mls_targets import TARGETS, seeds
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()[target]):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={folder.parent}/{target}-",
        "-timeout=20",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], TARGETS[target])
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Fuzz, each target in a process of its own."""
    parser = argparse.ArgumentParser(description="Fuzz the group engine.")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz" / "mls")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not available():
        print(NEEDED, file=sys.stderr)
        return 2
    if options.here:
        run_one(options.targets[0], options.corpus / options.targets[0], options.seconds)
    from tests.fuzz.mls_targets import TARGETS

    for target in options.targets or TARGETS:
        if target not in TARGETS:
            print(f"no target {target}; there are: {', '.join(TARGETS)}", file=sys.stderr)
            return 2
        command = [sys.executable, "-m", "tests.fuzz.mls", "--here", "--seconds", str(options.seconds)]
        done = subprocess.run(
            [*command, "--corpus", str(options.corpus), target], cwd=ROOT, env=os.environ, check=False
        )
        found = len(list((options.corpus / target).glob("*")))
        print(
            f"{target:20} {'no unexpected error' if done.returncode == 0 else 'FAILED'}, {found} inputs kept",
            flush=True,
        )
        if done.returncode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
