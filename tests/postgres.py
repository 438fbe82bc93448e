"""A throw-away PostgreSQL cluster for tests: in a folder of its own, on a Unix socket, flushing as a real one does.

::

    if not available(): pytest.skip(MISSING)
    place = new_database()          # starts the cluster at the first call; stopped when Python ends
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psycopg

from hotline.store.place import Server

MISSING = "no PostgreSQL here (install the package postgresql): what is shared between hubs was NOT tested"
_numbers = itertools.count()


def binaries() -> Path | None:
    """The folder with initdb and pg_ctl; None where there is none. Debian keeps them off the PATH."""
    found = [Path(path).resolve().parent for name in ("initdb",) if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in found if (each / "initdb").exists() and (each / "pg_ctl").exists()), None)


def account() -> str | None:
    """The account that runs the server: PostgreSQL refuses to be root. None: ours."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def available() -> bool:
    """Whether a cluster can be made here."""
    return binaries() is not None and (os.geteuid() != 0 or account() is not None)


class Cluster:
    """One server. ``settings``: further lines of its configuration."""

    def __init__(self, *settings: str) -> None:
        folder = binaries()
        assert folder is not None, MISSING
        self._bin, self._account = folder, account()
        self._killed = 0
        self.path = Path(tempfile.mkdtemp(prefix="hotline-pg-"))
        self.path.chmod(0o755)
        if self._account is not None:
            os.chown(self.path, pwd.getpwnam(self._account).pw_uid, pwd.getpwnam(self._account).pw_gid)
        self.data = self.path / "data"
        self._run("initdb", "-D", self.data, "-U", "hotline", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        lines = (
            "listen_addresses = ''",
            f"unix_socket_directories = '{self.path}'",
            "max_connections = 200",
            "shared_buffers = 32MB",
            "fsync = on",
            "synchronous_commit = on",
            *settings,
        )
        self._write("hotline.conf", "\n".join(lines) + "\n")
        self._run("sh", "-c", f"echo \"include 'hotline.conf'\" >> {self.data}/postgresql.conf")
        # Whoever is killed runs no more code of his own: the server must not outlive him all the same.
        watch = f"while [ -d /proc/{os.getpid()} ] && [ -d {self.data} ]; do sleep 1; done; "
        end = f"kill -QUIT $(head -n 1 {self.data}/postmaster.pid); sleep 1; rm -rf {self.path}"
        self._watcher = subprocess.Popen(
            ["sh", "-c", watch + end], user=self._account, start_new_session=True, stderr=subprocess.DEVNULL
        )
        self.start()

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text) if self._account is None else self._run("sh", "-c", f"cat > {path}", text=text)

    def _run(self, program: str, *arguments: object, text: str = "") -> None:
        path = self._bin / program
        command = [str(path) if path.exists() else program, *map(str, arguments)]
        subprocess.run(
            command, check=True, user=self._account, cwd=self.path, input=text, text=True, stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "-D", self.data, "-l", self.path / "log", "-w", "-t", "60", "start")

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """SIGKILL to the server's first process; the others end when they notice."""
        self._killed = self.pid
        os.kill(self._killed, signal.SIGKILL)

    def kill_backend(self, rng: random.Random) -> None:
        """SIGKILL to one process that serves a client: the server then ends every connection and recovers by itself."""
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        try:
            with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
                served = sorted(row[0] for row in connection.execute(query))
        except psycopg.OperationalError:
            return  # it recovers from the last time
        if served:
            os.kill(rng.choice(served), signal.SIGKILL)

    def again(self) -> None:
        """Start it after `kill`, as soon as the last process of the killed server is gone."""
        for _ in range(100):
            try:
                # Left by the killed one, and in the way where nobody has reaped it yet. Any other is of a server that runs.
                if (self.data / "postmaster.pid").exists() and self.pid == self._killed:
                    (self.data / "postmaster.pid").unlink()
                self.start()
            except subprocess.CalledProcessError:
                time.sleep(0.2)
                continue
            return
        raise AssertionError((self.path / "log").read_text()[-4000:])

    def conninfo(self, database: str) -> str:
        return f"host={self.path} user=hotline dbname={database}"

    def new_database(self) -> Server:
        """An empty database."""
        name = f"hub{next(_numbers)}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return Server(self.conninfo(name))

    def remove(self) -> None:
        """Stop it and delete everything."""
        self._watcher.kill()
        self._watcher.wait()
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.path, ignore_errors=True)


@cache
def cluster() -> Cluster:
    """The one that tests share. Nothing in it outlives the tests."""
    made = Cluster()
    atexit.register(made.remove)
    return made


def new_database() -> Server:
    """An empty database of the shared cluster."""
    return cluster().new_database()
