"""``hotline hub check``: is this hub fit to serve? One line a part: OK, WARN or FAIL, what was found, what to do.

It changes nothing, may run beside the running hub or before its start, and needs the passphrase only to try the keys. Every
part is looked at even if another is broken: what a check cannot look at has failed, it is not passed over.
"""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

from hotline.clock import Mark, SystemClock, span_words
from hotline.errors import HotlineError
from hotline.hub import blob_folder, blob_keep
from hotline.hub.asking import Heard
from hotline.hub.blob_mark import MARK_ROW
from hotline.hub.folder import HubFolder, open_folder
from hotline.hub.fsck import fsck
from hotline.hub.health import ask
from hotline.hub.records import CLOCK
from hotline.hub.restore import standings
from hotline.keystore import WrongPassphrase
from hotline.store.errors import StoreMoved, StoreTooNew, StoreTooOld
from hotline.store.forms import MOVED, NEEDS, Forms, Stand
from hotline.store.place import Server
from hotline.store.reading import Reading, reading
from protocols.encoding import b64u, from_rfc3339
from protocols.errors import ProtocolError
from protocols.keys import SeedSigner
from protocols.translog import ed25519_signer, parse_policy

Level = Literal["OK", "WARN", "FAIL"]
LEVELS: tuple[Level, ...] = ("OK", "WARN", "FAIL")
DAY = 86_400_000
SPARE = 1 << 30
"""Bytes that should be free beside a second copy of the store: an upgrade makes one."""
NEEDED = 256 << 20
"""Bytes without which the next days' entries may find no room."""
DRIFT = 2_000
"""ms by which the machine's clock may differ from the hub's, as `hotline.hub.hub.DRIFT`."""
BUSY = 5.0
"""Seconds to wait for the store's write lock."""


@dataclass(frozen=True, slots=True)
class Row:
    """``part``: what was looked at; ``found``: in words; ``do``: what to do, "" where nothing."""

    part: str
    level: Level
    found: str
    do: str = ""


def worst(rows: Iterable[Row]) -> Level:
    """The worst level among the rows."""
    return max((row.level for row in rows), key=LEVELS.index, default="OK")


def check_hub(
    path: Path,
    passphrase: bytes | None,
    now: int,
    ask_all: Callable[[HubFolder], Iterable[Heard]],
    *,
    quick: bool = False,
) -> list[Row]:
    """Look at the hub in ``path``. ``now``: the machine's clock, ms UTC; ``ask_all``: asks the witnesses that have a URL;
    ``quick``: of sealed files only the sizes are compared."""
    try:
        made = open_folder(path)
    except (HotlineError, ProtocolError, OSError) as error:
        return [
            Row("folder", "FAIL", str(error), "Restore the named file from a backup; install the accord if none is.")
        ]
    parts: dict[str, Callable[[], list[Row]]] = {
        "accord": lambda: [_accord(made, now)],
        "certificate": lambda: _certificate(made, now),
        "keys": lambda: [_keys(made, passphrase)],
        "time-stamps": lambda: _timestamps(made),
        "disk": lambda: [_disk(made)],
    }
    stored: dict[str, Callable[[], list[Row]]] = {
        "store": lambda: _store(made),
        "log": lambda: [_log(made)],
        "heads": lambda: [_heads(made, now)],
        "witnesses": lambda: _witnesses(made, ask_all(made)),
        "clock": lambda: [_clock(made, now)],
        "files": lambda: [_files(made, quick=quick)],
    }
    place = made.place
    if not isinstance(place, Path) or place.is_file():
        parts |= stored
    else:
        parts["store"] = lambda: [_no_store()]
    parts["port"] = lambda: [_port(made)]
    rows: list[Row] = []
    for part, look in parts.items():
        try:
            rows += look()
        except (HotlineError, ProtocolError, OSError, ValueError, TypeError, sqlite3.Error) as error:
            rows.append(
                Row(part, "FAIL", f"could not be looked at: {error}", "See what is said of the store and the folder.")
            )
    return rows


def _accord(made: HubFolder, now: int) -> Row:
    accord = made.accord.accord
    words = f"{accord.title} ({accord.status}), {len(accord.ladders)} ladders with the accord's hashes"
    for each in accord.ladders:
        accord.check_ladder(each.id, made.ladders[each.id])
    if not from_rfc3339(accord.not_before) <= now < from_rfc3339(accord.sunset):
        return Row(
            "accord", "FAIL", f"{words}; not in force", "No thread can be opened. The offices sign a new accord."
        )
    left = from_rfc3339(accord.sunset) - now
    if left < 90 * DAY or now >= from_rfc3339(accord.review):
        words += f"; review {accord.review[:10]}, ends {accord.sunset[:10]}"
        return Row("accord", "WARN", words, "Remind the offices: without a new accord no thread can be opened then.")
    return Row("accord", "OK", words)


def _certificate(made: HubFolder, now: int) -> list[Row]:
    if made.settings.plain:
        return [Row("certificate", "WARN", "none: the hub runs without TLS", "Only inside a tunnel of your own.")]
    data = (made.path / "tls.crt").read_bytes()
    made.check_certificate(data)
    ends = x509.load_pem_x509_certificate(data).not_valid_after_utc
    left = ends - datetime.datetime.fromtimestamp(now / 1000, datetime.UTC)
    words = f"the one that the accord pins, until {ends.date()}"
    if left.days < 365:
        return [Row("certificate", "WARN", words, "A new one needs a new accord, which pins it: begin now.")]
    return [Row("certificate", "OK", words)]


def _keys(made: HubFolder, passphrase: bytes | None) -> Row:
    path = made.path / "hub.key"
    if not path.is_file():
        return Row("keys", "FAIL", "hub.key is missing", "Put the sealed key file back: without it the line is over.")
    if passphrase is None:
        return Row("keys", "OK", "hub.key is there; not opened, no passphrase was given")
    try:
        keys, _ = made.unlock(passphrase)
    except WrongPassphrase as error:
        return Row("keys", "FAIL", str(error), "Find the right passphrase before the hub has to be started again.")
    card = made.accord.accord.hub
    log = ed25519_signer(made.accord.log_origin, keys.log)
    if (b64u(SeedSigner(keys.sign).public), log.key.vkey) != (card.key, card.log):
        return Row(
            "keys", "FAIL", "not the keys that the accord names", "Restore the hub.key that belongs to this accord."
        )
    return Row("keys", "OK", "they open, and are those that the accord names")


def _timestamps(made: HubFolder) -> list[Row]:
    if not made.settings.timestamps.urls:
        return []
    made.timestamp_roots()
    return [
        Row("time-stamps", "OK", f"{len(made.settings.timestamps.urls)} authorities, their root certificates are there")
    ]


def _disk(made: HubFolder) -> Row:
    room = shutil.disk_usage(made.path).free
    size = sum(path.stat().st_size for path in made.path.glob("hub.db*"))
    words = f"{_bytes(room)} free here" + (
        f", the store has {_bytes(size)}" if size else "; the store is on its own server"
    )
    if room < NEEDED:
        return Row(
            "disk", "FAIL", words, "Make room at once: a full disk stops the line. Nothing acknowledged is lost."
        )
    if size and room < size + SPARE:
        return Row("disk", "WARN", words, "Make room: an upgrade copies the store beside itself.")
    return Row("disk", "OK", words)


def _no_store() -> Row:
    do = "Its first start makes it. If this hub has ever served: do not start it, restore a backup."
    return Row("store", "WARN", "hub.db is not there", do)


def _store(made: HubFolder) -> list[Row]:
    place = made.place
    if not isinstance(place, Path):
        return [_server(place), _form(made)]
    if place.stat().st_uid != os.geteuid():
        do = "Run the check as the user that the hub runs as."
        return [Row("store", "FAIL", "belongs to another user; not looked at, to leave no files of ours beside it", do)]
    with closing(sqlite3.connect(place, timeout=BUSY, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("UPDATE meta SET value = value WHERE key = 'accord'")
        finally:
            db.execute("ROLLBACK")
    return [Row("store", "OK", "can be read and written"), _form(made)]


def _server(place: Server) -> Row:
    from hotline.store.postgres import ask_durability  # its driver is only loaded where there is a server

    if words := ask_durability(place):
        return Row(
            "store", "FAIL", f"the PostgreSQL server: {words}", "Mend the server's settings; the hub does not start so."
        )
    return Row("store", "OK", "the PostgreSQL server takes writes and keeps what it acknowledges")


def _form(made: HubFolder) -> Row:
    forms = Forms("hub")
    with reading(made.place) as db:
        revision = str(_value(db, "SELECT version_num FROM alembic_version"))
        needs = str(_value(db, "SELECT value FROM meta WHERE key = ?", NEEDS) or "")
        moved = _value(db, "SELECT value FROM meta WHERE key = ?", MOVED) is not None
    words = f"revision {revision}, this program's is {forms.newest}"
    try:
        forms.check(Stand(revision, needs, moved))
    except StoreTooOld:
        if isinstance(made.place, Path):
            return Row("form", "WARN", words, "The next start upgrades it: make a backup before.")
        return Row("form", "FAIL", words, "Make a copy of the database, then: hotline hub migrate --before.")
    except StoreTooNew:
        return Row("form", "FAIL", words, "Use the newer program that wrote it.")
    except StoreMoved as error:
        return Row("form", "FAIL", error.sentence, "Name the new place in hub.toml, [store].")
    if not forms.knows(revision):
        return Row("form", "OK", f"revision {revision} of a newer version, which this one serves too")
    if waiting := forms.between(revision, forms.newest):
        words = f"revision {revision}, {len(waiting)} steps wait until no hub runs an older version"
        return Row("form", "WARN", words, "Once every hub runs this version, copy, then: hotline hub migrate --after.")
    return Row("form", "OK", f"revision {revision}, this program's")


def _log(made: HubFolder) -> Row:
    result = fsck(made.place, made.accord, quick=True)
    if result.holds:
        words = f"{result.leaves} leaves, {result.heads} signed heads: the tree holds ({result.seconds:.1f} s)"
        return Row("log", "OK", words)
    first = result.findings[0]
    words = f"{len(result.findings) + result.more} problems, the first: {first.sentence} ({first.code})"
    return Row(
        "log", "FAIL", words, "Stop the hub, keep the folder, run hotline audit fsck, and restore a copy that holds."
    )


def _heads(made: HubFolder, now: int) -> Row:
    policy = parse_policy(made.accord.accord.policy)
    quorum = f"{policy.smallest_quorum()} of {len(policy.operators)} witnesses"
    with reading(made.place) as db:
        size = int(_value(db, "SELECT coalesce(max(idx) + 1, 0) FROM leaves"))
        row = db.execute("SELECT size, at FROM published ORDER BY number DESC LIMIT 1").fetchone()
        covered, at = (0, 0) if row is None else row
        waiting = _value(db, "SELECT min(at) FROM heads WHERE size > ?", covered)
    if size == 0:
        return Row("heads", "OK", f"the log is empty; heads need {quorum}")
    if row is None:
        words, do = f"none was published yet over {size} leaves", f"Heads need {quorum}: see that they are on the line."
        return Row("heads", "WARN", words, do)
    words = f"the newest published one is {span_words(now - at)} old, over {covered} of {size} leaves, {quorum}"
    if covered < size and (waiting is None or now - waiting > 10 * 60_000):
        do = "Nothing can be proved since. See in the console which witnesses are away, and call them."
        return Row("heads", "WARN", words, do)
    return Row("heads", "OK", words)


def _witnesses(made: HubFolder, heard: Iterable[Heard]) -> list[Row]:
    rows = []
    for each in heard:
        part = f"witness {each.name}"
        if each.problem:
            do = "Call who runs it. Messages go on; heads may lack its signature."
            rows.append(Row(part, "WARN", each.problem, do))
            continue
        if not each.note:
            rows.append(Row(part, "OK", "answers; has cosigned nothing of this log"))
            continue
        found = standings(made, (each.note,))[0]
        words = f"holds a head of {found.head.size} leaves"
        if found.how == "level":
            rows.append(Row(part, "OK", f"{words}, as this store has"))
        else:
            what = "which this store lacks" if found.how == "behind" else "of another history than this store's"
            do = "This is an older copy: do not serve it. See: run a hub, restoring."
            rows.append(Row(part, "FAIL", f"{words}, {what}", do))
    return rows


def _clock(made: HubFolder, now: int) -> Row:
    with reading(made.place) as db:
        mark = str(_value(db, "SELECT value FROM meta WHERE key = ?", CLOCK) or "")
        stamps = (_value(db, query) for query in ("SELECT max(at) FROM entries", "SELECT max(at) FROM heads"))
        stamp = max(int(at or 0) for at in stamps)
    clock, (boot, _, ahead) = SystemClock(), mark.partition(" ")
    drift = 0
    if boot and clock.go_on(Mark(boot, int(ahead))):
        drift = clock.drift()
    if stamp > now + DRIFT:
        words = f"the machine's clock is {span_words(stamp - now)} before the newest stamp"
        return Row("clock", "FAIL", words, "Mend the machine's clock (NTP) before the hub is started.")
    if abs(drift) >= DRIFT:
        words = f"the machine's clock is {span_words(drift)} {'ahead of' if drift > 0 else 'behind'} the hub's"
        return Row("clock", "WARN", words, "See: run a hub, the hub's clock.")
    return Row("clock", "OK", "the machine's clock and the hub's agree")


def _files(made: HubFolder, *, quick: bool) -> Row:
    with reading(made.place) as db:
        mark = str(_value(db, "SELECT value FROM meta WHERE key = ?", MARK_ROW) or "")
    if mark and blob_folder.read_mark(made.files) != mark:
        words = f"{made.files} is not the folder that the hubs of this store share"
        return Row("files", "FAIL", words, "Mount it. See: hotline hub adopt-files.")
    found = blob_keep.check_files(made.place, made.files, quick=quick)
    words = f"{found.count} sealed files, {_bytes(found.size)}, {'sizes' if quick else 'all hashes'} compared"
    back = "Put them back from a backup, or have stations give them back (hotline hub refill)."
    if found.damaged:
        return Row("files", "FAIL", f"{words}; other bytes than they were: {blob_keep.names(found.damaged)}", back)
    if found.missing:
        return Row("files", "WARN", f"{words}; missing: {blob_keep.names(found.missing)}", back)
    return Row("files", "OK", words)


def _port(made: HubFolder) -> Row:
    host, port = made.settings.address
    answer = ask(made.path, "/readyz")
    if answer is not None and answer[0] == 200:
        return Row("port", "OK", f"this hub serves on {made.settings.listen} and is ready")
    if answer is not None and answer[0] == 503:
        words = f"this hub serves on {made.settings.listen} and is not ready: {answer[1][:300]}"
        return Row("port", "FAIL", words, "See: operate a hub, not ready.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            words = f"{made.settings.listen} cannot be listened on ({error.strerror}), and no hub answers there"
            return Row("port", "FAIL", words, "End the program that has it, or mend `listen` in hub.toml.")
    return Row("port", "OK", f"{made.settings.listen} is free; the hub does not run")


def _value(db: Reading, query: str, *values: object) -> Any:
    """The first column of the first row; None where there is none."""
    row = db.execute(query, values).fetchone()
    return None if row is None else row[0]


def _bytes(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"
