"""Logs say that something failed and where, never what was in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SECRET = "the governor's bunker is at 54.1 N"
PROGRAM = """
import logging, structlog
from hotline.cli.logs import log_to_stderr
from hotline.errors import LocalFault
log_to_stderr()
secret = {secret!r}
log = structlog.get_logger("test")
def fail():
    try:
        int(secret)
    except ValueError as error:
        raise LocalFault(secret) from error
try:
    fail()
except LocalFault as error:
    {statement}
"""


@pytest.mark.parametrize(
    "statement",
    [
        'log.exception("it failed", thread="t1")',
        'log.error("it failed", exc_info=error)',
        'logging.getLogger("aiohttp.server").exception("Error handling %s", secret)',
        'logging.getLogger("asyncio").error(f"Task {secret}", exc_info=error)',
        'logging.getLogger("asyncio").error(f"Task {secret}")',
    ],
)
def test_a_fault_is_logged_by_type_and_place_without_what_it_quotes(statement: str) -> None:
    program = PROGRAM.format(secret=SECRET, statement=statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "governor" not in done.stdout + done.stderr
    line = json.loads(done.stderr)
    assert line["where"]
    if "exc" in statement:
        assert line["fault"].startswith("LocalFault(hotline.local) < ValueError")
