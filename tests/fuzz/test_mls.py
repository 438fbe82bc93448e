"""The fuzz targets of the group engine: with a small budget of our own always, with atheris where it is installed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import mls
from tests.fuzz.mls_targets import TARGETS, seeds

ROUNDS = 120


def changed(seed: bytes, dice: random.Random) -> bytes:
    """A seed with some octets changed, cut out, doubled or added."""
    data = bytearray(seed)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0:
                data[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del data[place : place + dice.randint(1, 40)]
            case 2:
                data[place:place] = data[max(0, place - dice.randint(1, 40)) : place]
            case _:
                data[place:place] = dice.randbytes(dice.randint(1, 8))
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS)
def test_only_documented_errors_come_out(target: str) -> None:
    dice = random.Random(target)
    for seed in seeds()[target]:
        TARGETS[target](seed)
    for _ in range(ROUNDS):
        TARGETS[target](changed(dice.choice(seeds()[target]), dice))


@pytest.mark.skipif(not mls.available(), reason=mls.NEEDED)
@pytest.mark.parametrize("target", TARGETS)
def test_atheris_finds_nothing_in_two_seconds(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.mls", "--seconds", "2", "--corpus", str(tmp_path), target]
    done = subprocess.run(command, cwd=mls.ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_without_atheris_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mls, "available", lambda: False)
    assert mls.main([]) == 2
    assert "atheris is not installed" in capsys.readouterr().err
