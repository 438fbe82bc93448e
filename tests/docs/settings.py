"""The reference of the two settings files. A field without words here fails the making of the page."""

from __future__ import annotations

import msgspec

from hotline.hub.settings import AttachmentTable, Limits, Settings, StoreTable, TimestampTable
from hotline.station.folder import DutyTable, LineTable, StationSettings

_HUB = {
    "name": "The hub's name in the accord. Set by `hub init`; must not change.",
    "listen": "host:port to listen on. `0.0.0.0:443` for every interface.",
    "plain": "No TLS, because the line runs inside a tunnel of your own. Must agree with the accord, which then pins none.",
    "head_interval": "Seconds between signed heads of the log while nothing happens.",
    "head_delay": "Seconds that new entries wait for company before a head is signed over them.",
    "metrics_from": "Addresses or networks, as in `10.0.0.7` or `10.0.0.0/24`, that may read `/metrics` beside this machine "
    "itself; all others get 404.",
    "console_hosts": "More names (host:port) by which browsers may call the console, beside those of the accord's addresses "
    "and the loopback. The first is the one login links are made with.",
    "witnesses": "Witnesses of the accord that are reached over HTTP: key name to URL, as in "
    '`{ "witness.example" = "https://10.0.0.9/v1" }`, where the accord names no URL or another one. '
    "See [run a witness](../how-to/run-a-witness.md).",
    "timestamps": "See below.",
    "store": "See below.",
    "attachments": "See below.",
    "limits": "See below.",
}
_ATTACHMENTS = {
    "largest": "One file, MiB; 0: this hub takes no files. A station takes at most 100 MiB, and sealing adds a few KiB.",
    "thread": "All files of one thread, MiB.",
    "office": "All files that one office has handed over, MiB.",
    "spare": "What stays free on the disk, MiB, for the log: files are not taken before it is used up.",
    "transfers": "Files that one station may carry at once.",
    "unfinished": "Seconds that an announced file may wait without a byte of it coming, before its place is given free.",
    "unbound": "Seconds that a whole file may lie here without any station saying that an entry binds it.",
    "idle": "Seconds that a transfer may stand still before it is cut; it goes on from there.",
    "folder": "Where they lie, absolute or in the hub's folder. Empty: `blobs`. Hubs that share a store must share it.",
}
_TIMESTAMPS = {
    "urls": 'Where to ask, as in `["https://tsa.example/rfc3161"]`: the next one when one fails. None: no token is asked for.',
    "roots": "A file in the hub's folder: the self-signed certificates (PEM) of the authorities that are trusted. An answer "
    "under any other is not kept.",
    "every": "Seconds between two tokens.",
    "escalations": "Ask for one more when an incident goes up the ladder, at most one a minute.",
    "answer": "Seconds an authority may take to answer.",
}
_LIMITS = {
    "login": "Seconds a station may take to log in.",
    "send": "Seconds a station may take to read one frame before it is cut off; it resumes where it stopped.",
    "in_flight": "Submissions of one connection that may wait for an answer.",
    "answers": "Frames that may wait to be read by one connection.",
    "key_packages": "Key packages held for one station.",
    "claims_per_hour": "Key packages one station may claim in an hour.",
    "office_claims_per_hour": "The same for all stations of an office together.",
    "claims_each_per_hour": "Key packages of one station that one office may claim in an hour.",
    "claims_reserved": "Key packages of each station kept for each office that has claimed fewer since it last published.",
    "login_failures": "Failed logins from one address in a minute before it has to wait; of stations and of operators, each "
    "for itself. An address is an IPv4 address or an IPv6 network of 64 bits.",
    "strangers": "Connections on which no station has logged in, browsers at the console among them. One more, and the address "
    "that has the most of them loses its oldest.",
    "strangers_each": "Such connections of one address.",
    "arrivals_each": "New connections of one address in a minute, of whatever kind.",
    "stranger_bytes": "Bytes such a connection may send before its login succeeds.",
    "office_entries": "Entries a minute from all stations of an office. Over it they are put back and come again by "
    "themselves; a fifth is kept for what is urgent.",
    "station_entries": "The same from one station.",
    "office_bytes": "Bytes of entries a minute from all stations of an office.",
    "station_bytes": "The same from one station.",
    "office_urgent": "Entries a minute above ROUTINE that an office's are carried as what they say, half of them kept for "
    "FLASH; the rest pass too, as ROUTINE does.",
    "in_flight_bytes": "Bytes of submissions of one connection that may wait for an answer.",
    "answer_bytes": "Bytes of frames that may wait to be read by one connection.",
    "frames_per_second": "How fast one connection is read; eight seconds' worth at once. More waits in the sender's machine.",
    "bytes_per_second": "The same in bytes.",
    "body": "Seconds the body of a request may take.",
    "idle": "Seconds a connection may be silent between two requests.",
    "mandates": "Mandates kept of one office.",
}
_STATION = {
    "office": "The office's id in the accord. Set by `station init`.",
    "name": "The station's name within its office. Set by `station init`; must not change.",
    "zone": "IANA time zone of the office.",
    "accord": "Id of the pinned accord. Set by `station install`; no other is taken afterwards.",
    "addresses": "Addresses of the hub that are tried before those of the accord, as in `wss://10.0.0.5:443/line`. The hub's "
    "key and certificate are checked against the accord all the same.",
    "line": "See below.",
    "duty": "See below.",
}
_LINE = {
    "base": "After a failure the next try comes after base × 2ⁿ, jittered by half; other addresses are tried first, without "
    "waiting.",
    "cap": "The longest wait between tries.",
    "connect": "How long one try may take.",
    "ping": "How often the hub is asked for a sign of life. When nothing came for two of these, the desk says that the line is "
    "quiet.",
    "silence": "After this long without one the line is given up and tried anew.",
}
_DUTY = {
    "fallback": "How long a station waits for another to do what either may (renew keys, send a receipt).",
    "tick": "How often it looks for such duties.",
    "answer": "How long the desk waits for the hub's answer before it says *queued*.",
    "remind": "How long after an acknowledgement somebody is reminded that no reply went out; 0: never. An exercise's scale "
    "divides it.",
    "remind_urgent": "The same for FLASH and IMMEDIATE.",
    "undelivered": "How long the hub may keep an entry that it took from coming back before the alarm sounds.",
    "heads": "How long an entry may stand under no head with a quorum before the alarm sounds.",
    "ends": "How old the hub's word on where an open thread ends may be before the station asks for it anew. The alarm sounds "
    "when no answer comes within `heads`.",
}
_STORE = {
    "url": "A PostgreSQL server that several hubs share: a libpq connection string or URI, **without a password** (a "
    'password file has it: `PGPASSFILE`), as in `"host=db1,db2 dbname=hotline user=hotline"` or `"service=hotline"`. '
    "Empty: the file `hub.db` in the hub's folder.",
}

_PAGES = (
    (
        "hub.toml",
        Settings,
        _HUB,
        "",
        "In the hub's folder. Restart the hub after a change; what it cannot read, it refuses.",
    ),
    (
        "",
        StoreTable,
        _STORE,
        "store",
        "Where the hub keeps what it holds; see [running it on PostgreSQL](../how-to/run-a-hub-on-postgresql.md).",
    ),
    (
        "",
        TimestampTable,
        _TIMESTAMPS,
        "timestamps",
        "Authorities outside the line that stamp its log (RFC 3161): "
        "[how to](../how-to/run-a-hub.md#have-the-log-time-stamped).",
    ),
    (
        "",
        AttachmentTable,
        _ATTACHMENTS,
        "attachments",
        "[Files that go with entries](attachments.md): sizes are of ciphertext.",
    ),
    ("", Limits, _LIMITS, "limits", "How much one station may ask of the hub."),
    ("station.toml", StationSettings, _STATION, "", "In the station's folder. Restart the station after a change."),
    ("", LineTable, _LINE, "line", "Waits of the line to the hub, in seconds."),
    ("", DutyTable, _DUTY, "duty", "Waits between stations, in seconds."),
)


def settings() -> list[str]:
    """``settings.md``, without the mark of a generated page."""
    lines = [
        "# Settings",
        "",
        "Two TOML files; nothing else is configured anywhere, and no environment variable changes what a hub or station",
        "does. Unknown settings are refused. Passphrases are given to [commands](cli.md); keys are in sealed files.",
        "",
    ]
    for title, struct, words, table, about in _PAGES:
        lines += [
            f"## {title}" if title else f"### [{table}]",
            "",
            about,
            "",
            "| setting | default | |",
            "|---|---|---|",
        ]
        for field in msgspec.structs.fields(struct):
            inner = isinstance(field.default, msgspec.Struct)
            plain = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            default = "required" if field.required else "" if inner else f"`{_toml(plain)}`"
            lines.append(f"| `{field.encode_name}` | {default} | {words[field.name]} |")
        lines.append("")
    return lines


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == {}:
        return "{}"
    return "[]" if value == () else '""' if value == "" else str(value)
