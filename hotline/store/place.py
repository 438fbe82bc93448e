"""Where a store lies: in an SQLite file, or on a PostgreSQL server that several hub processes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hotline.store.errors import StorePlaceFault


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """A database of a PostgreSQL server. ``conninfo``: a libpq connection string or URI without a password; it may name
    several hosts, of which the one that takes writes is used."""

    conninfo: str

    def __repr__(self) -> str:
        # A URI may name people and hosts; what is logged says only what kind of store it is.
        return "Server(...)"


Place = Path | Server


def server(conninfo: str) -> Server:
    """Check a connection string. Raises `StorePlaceFault` where it cannot be read, or holds a password: that belongs into a
    password file (``~/.pgpass``, ``PGPASSFILE``) or a service file, which only the hub's account can read."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(conninfo)
    except ProgrammingError:
        # libpq's words repeat the string, and a mistyped URI may have a password anywhere in it.
        raise StorePlaceFault("it is no PostgreSQL connection string") from None
    if {"password", "sslpassword"} & found.keys():
        raise StorePlaceFault("a password stands in it; put that into a password file (PGPASSFILE)")
    return Server(conninfo)


def words_of(place: Place) -> str:
    """How messages name a store."""
    return place.name if isinstance(place, Path) else "the PostgreSQL store"


__all__ = ["Place", "Server", "server", "words_of"]
