"""The hub's tables. What is evidence (leaves, entries, nodes, heads, cosignatures) is insert-only: triggers refuse the
rest. No table holds content: bodies are ciphertext the hub has no key for.

Times are milliseconds UTC; hashes and ids base64url text except where BLOB says 32 raw bytes.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from hotline.store.migrations.kinds import INT

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

leaves = Table(
    "leaves",
    metadata,
    Column("idx", INT, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""Exact bytes of every leaf of the log, by index."""

entries = Table(
    "entries",
    metadata,
    Column("idx", INT, ForeignKey("leaves.idx"), primary_key=True, autoincrement=False),
    Column("thread", String, nullable=False),
    Column("seq", INT, nullable=False),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("office", String, nullable=False),
    Column("station", String, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("precedence", String, nullable=False),
    Column("size", INT, nullable=False),
    Column("rung_before", String, nullable=False),
    Column("rung_after", String, nullable=False),
    UniqueConstraint("thread", "seq"),
    UniqueConstraint("thread", "station", "serial"),
)
"""What the hub reads of each leaf, for finding it. ``size``: bytes of leaf and parts."""

own_leaves = Table(
    "own_leaves",
    metadata,
    Column("idx", INT, ForeignKey("leaves.idx"), primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Leaves of the hub's own that belong to no thread (`protocols.hub_leaf`)."""

own_disclosures = Table(
    "own_disclosures",
    metadata,
    Column("idx", INT, ForeignKey("own_leaves.idx"), primary_key=True, autoincrement=False),
    Column("name", String, primary_key=True),
    Column("text", String, nullable=False),
)
"""What opens them: RFC 9901 disclosures, salts included. ``name``: a thread, or a field of a look."""

parts = Table(
    "parts",
    metadata,
    Column("thread", String, primary_key=True),
    Column("seq", INT, primary_key=True),
    Column("name", String, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    ForeignKeyConstraint(["thread", "seq"], ["entries.thread", "entries.seq"]),
)

recipients = Table(
    "recipients",
    metadata,
    Column("thread", String, primary_key=True),
    Column("seq", INT, primary_key=True),
    Column("seal", String, primary_key=True),
    ForeignKeyConstraint(["thread", "seq"], ["entries.thread", "entries.seq"]),
)
"""To which X25519 keys the box of an entry is sealed."""

nodes = Table(
    "nodes",
    metadata,
    Column("level", INT, primary_key=True),
    Column("idx", INT, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)
"""Complete nodes of the Merkle tree, 32 bytes each."""

heads = Table(
    "heads",
    metadata,
    Column("size", INT, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Every head the log key ever signed. A size stands here before it is signed, and once: no two roots for one size."""

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", INT, ForeignKey("heads.size"), primary_key=True),
    Column("vkey", String, primary_key=True),
    Column("time", BigInteger, primary_key=True),
    Column("line", String, nullable=False),
)
"""Verified cosignature lines. ``time``: the witness's clock, POSIX seconds."""

published = Table(
    "published",
    metadata,
    Column("number", INT, primary_key=True),
    Column("size", INT, ForeignKey("heads.size"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("note", String, nullable=False),
    Column("digest", String, nullable=False, server_default=""),
)
"""Checkpoints that met the quorum, in order of publication. ``digest``: how entries name them in ``seen``."""

timestamps = Table(
    "timestamps",
    metadata,
    Column("number", INT, primary_key=True),
    Column("digest", String, nullable=False),
    Column("size", INT, ForeignKey("heads.size"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("authority", String, nullable=False),
    Column("token", LargeBinary, nullable=False),
)
"""Verified time-stamps over published heads (RFC 3161 TimeStampResp, as it came). ``at``: by the hub's clock; ``time``: what
the token says, by the authority's."""

witnesses = Table(
    "witnesses",
    metadata,
    Column("vkey", String, primary_key=True),
    Column("size", INT, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""The size each witness last cosigned, as far as the hub knows."""

evidence = Table(
    "evidence",
    metadata,
    Column("number", INT, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("station", String, nullable=False),
    Column("first", String, nullable=False),
    Column("second", String, nullable=False),
    UniqueConstraint("first", "second"),
)
"""Pairs of checkpoints that prove that the log key signed two histories, and which station handed them in."""

threads = Table(
    "threads",
    metadata,
    Column("thread", String, primary_key=True),
    Column("ladder", String, nullable=False),
    Column("seq", INT, nullable=False),
    Column("head", String, nullable=False),
    Column("chain", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("group", LargeBinary, nullable=False),
)
"""Where each thread stands: newest entry (``head``: id, ``chain``: SHA-256 of its leaf), ladder state, public MLS group."""

members = Table(
    "members",
    metadata,
    Column("thread", String, ForeignKey("threads.thread"), primary_key=True),
    Column("station", String, primary_key=True),
    Column("joined", INT, primary_key=True),
    Column("left", INT),
)
"""From which entry to which each station is (was) a member of a thread's group, both included."""

mandates = Table(
    "mandates",
    metadata,
    Column("digest", String, primary_key=True),
    Column("kid", String, nullable=False),
    Column("office", String, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

key_packages = Table(
    "key_packages",
    metadata,
    Column("ref", String, primary_key=True),
    Column("number", INT, nullable=False, unique=True),
    Column("station", String, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("claimed_by", String),
    Column("claimed_at", BigInteger),
)
"""Each is handed out once; a used one stays, so that it cannot be published again."""

operators = Table(
    "operators",
    metadata,
    Column("name", String, primary_key=True),
    Column("password", String, nullable=False),
    Column("totp", LargeBinary, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False, server_default="0"),
    Column("failures", INT, nullable=False, server_default="0"),
    Column("blocked_until", BigInteger, nullable=False, server_default="0"),
)
"""``password``: Argon2id; ``totp``: the secret, sealed under a key of the hub's key file; ``last_step``: TOTP step used."""

login_tokens = Table(
    "login_tokens",
    metadata,
    Column("digest", String, primary_key=True),
    Column("operator", String, ForeignKey("operators.name"), nullable=False),
    Column("expires", BigInteger, nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("number", INT, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("operator", String, nullable=False),
    Column("what", String, nullable=False),
)
"""What operators looked at before every look was a leaf of the log (`own_leaves`); kept, no longer written."""

counted = Table(
    "counted",
    metadata,
    Column("thread", String, primary_key=True),
    Column("form", INT, nullable=False),
    Column("seq", INT, nullable=False),
    Column("state", LargeBinary, nullable=False),
)
"""How far the replies of each thread are counted, and the ladder's state there. No evidence: it follows from the leaves, as
do the two tables below (`hotline.hub.statistics`)."""

counted_clocks = Table(
    "counted_clocks",
    metadata,
    Column("thread", String, primary_key=True),
    Column("clock", String, primary_key=True),
    Column("started", BigInteger, primary_key=True),
    Column("rule", String, nullable=False),
    Column("title", String, nullable=False),
    Column("office", String, nullable=False),
    Column("about", INT, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("outcome", String, nullable=False),
    Column("ended", BigInteger),
)

counted_requests = Table(
    "counted_requests",
    metadata,
    Column("thread", String, primary_key=True),
    Column("seq", INT, primary_key=True),
    Column("asked", String, nullable=False),
    Column("answers", String, nullable=False),
)
"""``answers``: one state a question, separated by spaces."""

Index("key_packages_free", key_packages.c.station, key_packages.c.claimed_at)
Index("entries_at", entries.c.at, entries.c.idx)
Index("entries_office", entries.c.office, entries.c.idx)
Index("entries_kind", entries.c.kind, entries.c.idx)
Index("own_disclosures_name", own_disclosures.c.name, own_disclosures.c.idx)
Index("published_digest", published.c.digest)
Index("timestamps_digest", timestamps.c.digest)
Index("timestamps_size", timestamps.c.size, timestamps.c.number)
Index("recipients_seal", recipients.c.seal, recipients.c.thread)

APPEND_ONLY = (
    "leaves",
    "entries",
    "own_leaves",
    "own_disclosures",
    "parts",
    "recipients",
    "nodes",
    "heads",
    "cosignatures",
    "published",
    "timestamps",
    "evidence",
    "looks",
)
"""Tables on which triggers refuse UPDATE and DELETE."""

blobs = Table(
    "blobs",
    metadata,
    Column("thread", String, primary_key=True),
    Column("blob", String, primary_key=True),
    Column("office", String, nullable=False),
    Column("station", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("bound", BigInteger),
    Index("blobs_office", "office"),
)
"""Sealed files that stations announced (`hotline.hub.blobs`). ``blob``: SHA-256 of the ciphertext; ``size``: its bytes;
``at``: when it was announced, or was whole; ``whole``: the file is there, checked; ``bound``: since when it is known that an
entry binds it, none: nobody said so yet. No evidence: rows of what never came, or what nothing binds, are dropped."""
