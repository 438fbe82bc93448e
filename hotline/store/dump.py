"""A copy of a hub's database by PostgreSQL's own ``pg_dump``: one moment of it, beside the hubs that go on.

It is what a change of the store's form is made after. For copies that run with the hours, `pg_basebackup` and an archive of
the write-ahead log are the better tools.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import make_conninfo

from hotline.store import postgres
from hotline.store.errors import StoreCopyMissing
from hotline.store.place import Server


def dump(server: Server, out: Path) -> int:
    """Write a copy in pg_dump's custom format to the new file ``out``; returns its size in bytes.

    ``out`` takes its name only when the copy is whole, can be read by pg_restore and is on the disk. Raises
    `StoreCopyMissing`.
    """
    if out.exists():
        raise StoreCopyMissing(f"{out} is there already")
    if shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        raise StoreCopyMissing("pg_dump and pg_restore are not on this machine (package postgresql-client)")
    partial = out.with_name(out.name + ".partial")
    try:
        # The file exists before pg_dump opens it, so that at no moment anybody else can read it.
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        # No password can be in it: one in the settings is refused (`hotline.store.place`).
        conninfo = make_conninfo(**postgres.arguments(server))
        _run("pg_dump", "--format=custom", "--no-password", f"--file={partial}", f"--dbname={conninfo}")
        _run("pg_restore", "--list", str(partial))
        handle = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.replace(out)
    except OSError as error:
        raise StoreCopyMissing(f"{out}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return out.stat().st_size


def _run(program: str, *arguments: str) -> None:
    command = (program, *arguments)  # no shell, and nothing in it that others wrote
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)  # noqa: S603
    if found.returncode != 0:
        words = " ".join(found.stderr.decode("utf-8", "replace").split())
        raise StoreCopyMissing(f"{program}: {words[:500]}")


__all__ = ["dump"]
