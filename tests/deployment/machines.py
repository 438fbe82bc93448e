"""Three PostgreSQL servers on the loopback, set up from the files in ``docs/examples/postgresql`` as the how-to says.

Only what cannot be the same on one machine is replaced: addresses, ports and folders. Whatever is replaced must stand in the
shipped file, so that the two cannot drift apart.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hotline.harness import free_port
from tests.postgres import account, binaries

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "postgresql"
NAMES = ("a", "b", "c")
PASSWORD = "only-on-the-loopback"
LOCAL = "-c synchronous_commit=local"
"""For what is done before there is a standby, as the how-to says."""


def shipped(name: str, **replaced: str) -> str:
    """A shipped file with words replaced; each must stand in it. Keys are of no matter."""
    text = (EXAMPLES / name).read_text("utf-8")
    for pair in replaced.values():
        old, _, new = pair.partition(" -> ")
        assert old in text, f"{name} no longer has {old!r}"
        text = text.replace(old, new)
    return text


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Machines:
    """The servers ``a``, ``b`` and ``c``. ``a`` is the primary at first; the others follow it."""

    def __init__(self) -> None:
        self._account = account()
        self._bin = binaries()
        self.path = Path(tempfile.mkdtemp(prefix="hotline-three-"))
        self.path.chmod(0o755)
        self.port = {name: free_port() for name in NAMES}
        self._make_certificates()
        self.passfile = self.path / "pgpass"
        lines = [
            f"{name}.example:{self.port[name]}:{base}:{role}:{PASSWORD}"
            for name in NAMES
            for base, role in (("hotline", "hotline"), ("replication", "replicator"), ("postgres", "replicator"))
        ]
        self.passfile.write_text("\n".join(lines) + "\n")
        self.passfile.chmod(0o600)
        self._own(self.path)
        # Whoever is killed runs no more code of his own: the servers must not outlive him all the same.
        watch = f"while [ -d /proc/{os.getpid()} ] && [ -d {self.path} ]; do sleep 1; done; "
        end = f"for each in {self.path}/*/postmaster.pid; do kill -QUIT $(head -n 1 $each); done; sleep 1; rm -rf {self.path}"
        self._watcher = subprocess.Popen(
            ["sh", "-c", watch + end], user=self._account, start_new_session=True, stderr=subprocess.DEVNULL
        )

    def _own(self, path: Path) -> None:
        if self._account is not None:
            who = pwd.getpwnam(self._account)
            for each in (path, *path.rglob("*")):
                os.chown(each, who.pw_uid, who.pw_gid)

    def run(self, program: str, *arguments: object, **environment: str) -> str:
        """A program of PostgreSQL's, as the servers' account."""
        assert self._bin is not None
        command = [str(self._bin / program), *map(str, arguments)]
        found = subprocess.run(
            command, user=self._account, cwd=self.path, text=True, capture_output=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSFILE": str(self.passfile), **environment},
        )  # fmt: skip
        logs = "".join(path.read_text()[-1500:] for path in self.path.glob("*.log")) if found.returncode else ""
        assert found.returncode == 0, (program, found.stderr, logs)
        return found.stdout

    def _configure(self, name: str) -> None:
        folder = self.path / name
        (folder / "hotline.conf").write_text(
            shipped(
                "postgresql.conf",
                address="listen_addresses = '*' -> listen_addresses = '127.0.0.1'",
                port=f"port = 5432 -> port = {self.port[name]}",
                hba=f"/etc/hotline/postgresql/pg_hba.conf -> {folder}/hotline_hba.conf",
                files=f"/etc/hotline/postgresql -> {self.path}",
            )
            + f"cluster_name = '{name}'\nunix_socket_directories = '{self.path}'\nshared_buffers = 32MB\n"
        )
        (folder / "hotline_hba.conf").write_text(
            shipped(
                "pg_hba.conf",
                local="local    all          postgres                    peer -> local all postgres trust",
                network="10.0.0.0/24 -> 127.0.0.1/32",
            )
        )
        with (folder / "postgresql.conf").open("a") as file:
            file.write("include 'hotline.conf'\n")
        self._own(folder)

    def found(self) -> None:
        """Make ``a``, its accounts and the database, and then the standbys."""
        self.run(
            "initdb", "-D", self.path / "a", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        self._configure("a")
        self.start("a")
        self.ask("a", f"CREATE ROLE replicator LOGIN REPLICATION PASSWORD '{PASSWORD}'", options=LOCAL)
        self.ask("a", f"CREATE ROLE hotline LOGIN PASSWORD '{PASSWORD}'", options=LOCAL)
        self.ask(
            "a", "CREATE DATABASE hotline OWNER hotline ENCODING UTF8 TEMPLATE template0 LOCALE 'C'", options=LOCAL
        )
        for function in ("pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)"):
            self.ask("a", f"GRANT EXECUTE ON FUNCTION {function} TO replicator", options=LOCAL)
        for function in ("pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"):
            self.ask("a", f"GRANT EXECUTE ON FUNCTION {function} TO replicator", options=LOCAL)
        for name in ("b", "c"):
            self.follow(name, "a")
        self.settled("a", 2)

    def follow(self, name: str, primary: str) -> None:
        """Make a standby from nothing."""
        self.run(
            *("pg_basebackup", "-D", self.path / name, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            *("-d", self.replication(primary)),
        )
        text = (self.path / name / "postgresql.conf").read_text()
        (self.path / name / "postgresql.conf").write_text(text.replace("include 'hotline.conf'\n", ""))
        self._configure(name)
        self.start(name)

    def replication(self, primary: str, database: str = "") -> str:
        """How a standby reaches the primary."""
        return (
            f"host={primary}.example hostaddr=127.0.0.1 port={self.port[primary]} user=replicator {database} "
            f"sslmode=verify-full sslrootcert={self.path}/ca.crt passfile={self.passfile}"
        )

    def rewind(self, name: str, primary: str) -> None:
        """Bring a former primary back as a standby, as the how-to says."""
        self.ask(primary, "CHECKPOINT")
        self.run(
            *("pg_rewind", "--target-pgdata", self.path / name, "--write-recovery-conf", "--no-sync"),
            *("--source-server", self.replication(primary, "dbname=postgres")),
        )
        text = (self.path / name / "postgresql.conf").read_text()
        (self.path / name / "postgresql.conf").write_text(text.replace("include 'hotline.conf'\n", ""))
        self._configure(name)
        self.start(name)

    def start(self, name: str) -> None:
        self.run("pg_ctl", "-D", self.path / name, "-l", self.path / f"{name}.log", "-w", "-t", "60", "start")

    def kill(self, name: str) -> None:
        """SIGKILL to every process of a server, as when its machine loses power; what it had not flushed is in the kernel."""
        first = int((self.path / name / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for _ in range(300):
            if not any(_runs(pid) for pid in (first, *map(int, children))):
                break
            time.sleep(0.1)
        # What a machine that comes back does not find any more: its process, and what lay in /run.
        for left in (self.path / name / "postmaster.pid", *self.path.glob(f".s.PGSQL.{self.port[name]}*")):
            left.unlink(missing_ok=True)

    def promote(self, name: str, *others: str) -> None:
        """Make a standby the primary, and the others follow it."""
        self.run("pg_ctl", "-D", self.path / name, "-w", "promote")
        for other in others:
            line = self.replication(name).replace("'", "''")
            self.ask(other, f"ALTER SYSTEM SET primary_conninfo = '{line}'")
            self.ask(other, "SELECT pg_reload_conf()")

    def ahead(self, *names: str) -> str:
        """The standby that has most."""
        received = {name: self.ask(name, "SELECT pg_last_wal_receive_lsn() - '0/0'")[0][0] or 0 for name in names}
        return max(names, key=lambda name: received[name])

    def settled(self, primary: str, standbys: int) -> None:
        """Wait until so many standbys stream."""
        for _ in range(200):
            rows = self.ask(primary, "SELECT state, sync_state FROM pg_stat_replication")
            if rows.count(("streaming", "quorum")) >= standbys:
                return
            time.sleep(0.1)
        raise AssertionError(rows)

    def ask(self, name: str, statement: str, *, options: str = "") -> list[Any]:
        """A statement on one machine's own socket."""
        where = f"host={self.path} port={self.port[name]} user=postgres dbname=postgres"
        with psycopg.connect(where, options=options, autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    @property
    def url(self) -> str:
        """``[store] url`` of the how-to, with this machine's ports."""
        names = ",".join(f"{name}.example" for name in NAMES)
        ports = ",".join(str(self.port[name]) for name in NAMES)
        return (
            f"host={names} hostaddr=127.0.0.1,127.0.0.1,127.0.0.1 port={ports} dbname=hotline user=hotline "
            f"sslmode=verify-full sslrootcert={self.path}/ca.crt"
        )

    def remove(self) -> None:
        """Stop all of them and delete everything."""
        self._watcher.kill()
        self._watcher.wait()
        for name in NAMES:
            if (self.path / name / "postmaster.pid").exists():
                self.run("pg_ctl", "-D", self.path / name, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.path, ignore_errors=True)

    def _make_certificates(self) -> None:
        """An authority, and one certificate for the three names, as a house of its own would make them."""
        now = datetime.datetime.now(datetime.UTC)
        authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

        def begin(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(issuer)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=2))
            )

        root = begin(issuer, authority.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        names = [
            *(x509.DNSName(f"{name}.example") for name in NAMES),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        leaf = begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PostgreSQL")]), key.public_key())
        leaf = leaf.add_extension(x509.SubjectAlternativeName(names), False)
        pem = serialization.Encoding.PEM
        (self.path / "ca.crt").write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
        (self.path / "server.crt").write_bytes(leaf.sign(authority, hashes.SHA256()).public_bytes(pem))
        secret = self.path / "server.key"
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        secret.chmod(0o600)
