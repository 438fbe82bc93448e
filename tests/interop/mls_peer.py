"""Our group engine as a peer for other implementations: ``python -m tests.interop.mls_peer``, one group per process.

Speaks JSON lines on standard input and output. A request is ``{"id", "op", ...}``, its answer ``{"id", "ok": true, ...}``
or ``{"id", "ok": false, "error"}``; all binary values are in hex, every message is an MLSMessage.

=======  ======================================  =====================================================
op       arguments                               answer
=======  ======================================  =====================================================
init     suite, name                             {key_package}
create   group_id                                {}
commit   add: [key packages], remove: [leaves],  {commit, welcome}; merged at once, waiting proposals
         pub, aad                                included; welcome is null if nobody was added
propose  add or remove, pub                      {message}
join     welcome                                 {}
process  message                                 {kind: "applicationMessage", data, aad, sender},
                                                 {kind: "proposal"} or {kind: "commit", removed}
encrypt  data, aad                               {message}
export   label, context, length                  {secret}
state                                            {epoch, epoch_authenticator, tree_hash, members: [names]}
=======  ======================================  =====================================================

``pub`` says whether a handshake travels as a PublicMessage and is true unless given. A lifetime of any length is accepted:
how long a key package may live is an application's rule, and peers in a test have none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from protocols.mls import (
    Decrypted,
    Group,
    KeyPackageBundle,
    MlsError,
    StagedPeerCommit,
    make_key_package,
)

Answer = dict[str, Any]

ANY_LIFETIME = (1 << 64) - 1


def now() -> int:
    """The time of the operating system."""
    return int(time.time())


def raw(request: Answer, name: str, default: str | None = None) -> bytes:
    """A binary argument."""
    value = request[name] if default is None else request.get(name, default)
    return bytes.fromhex(value)


class Peer:
    """One member, driven by requests."""

    def __init__(self) -> None:
        self.suite = 0
        self.name = b""
        self.seed = b""
        self.bundle: KeyPackageBundle | None = None
        self._group: Group | None = None
        self._operations: dict[str, Callable[[Answer], Answer]] = {
            "init": self.init,
            "create": self.create,
            "commit": self.commit,
            "propose": self.propose,
            "join": self.join,
            "process": self.process,
            "encrypt": self.encrypt,
            "export": self.export,
            "state": self.state,
        }

    @property
    def group(self) -> Group:
        """The group, once there is one."""
        if self._group is None:
            raise ValueError("not in a group")
        return self._group

    def answer(self, line: str) -> Answer:
        """Answer one line, whatever it holds."""
        identifier = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is an object")
            identifier = request.get("id")
            operation = self._operations.get(request.get("op", ""))
            if operation is None:
                raise ValueError(f"unknown op {request.get('op')!r}")
            return {"id": identifier, "ok": True, **operation(request)}
        except MlsError as error:
            return {"id": identifier, "ok": False, "error": f"{error.code}: {error.detail}"}
        except KeyError as error:
            return {"id": identifier, "ok": False, "error": f"request: {error} is missing"}
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            return {"id": identifier, "ok": False, "error": f"request: {error}"}

    def init(self, request: Answer) -> Answer:
        self.suite, self.name, self.seed = request["suite"], request["name"].encode(), os.urandom(32)
        at = now()
        self.bundle = make_key_package(
            self.suite, self.name, self.seed, not_before=at - 3600, not_after=at + 86400, rng=os.urandom
        )
        return {"key_package": self.bundle.key_package.hex()}

    def create(self, request: Answer) -> Answer:
        self._group = Group.create(
            self.suite,
            raw(request, "group_id"),
            self.name,
            self.seed,
            now=now(),
            rng=os.urandom,
            max_lifetime=ANY_LIFETIME,
        )
        return {}

    def commit(self, request: Answer) -> Answer:
        staged = self.group.commit(
            add=[bytes.fromhex(package) for package in request.get("add") or ()],
            remove=request.get("remove") or (),
            public=request.get("pub", True),
            aad=raw(request, "aad", ""),
            now=now(),
            rng=os.urandom,
        )
        self.group.merge(staged)
        return {"commit": staged.commit.hex(), "welcome": None if staged.welcome is None else staged.welcome.hex()}

    def propose(self, request: Answer) -> Answer:
        public = request.get("pub", True)
        if request.get("add") is not None:
            message = self.group.propose_add(raw(request, "add"), now=now(), public=public, rng=os.urandom)
        else:
            message = self.group.propose_remove(request["remove"], now=now(), public=public, rng=os.urandom)
        return {"message": message.hex()}

    def join(self, request: Answer) -> Answer:
        if self.bundle is None:
            raise ValueError("no key package is left: init first")
        welcome = raw(request, "welcome")
        self._group = Group.join(welcome, self.bundle, self.seed, now=now(), max_lifetime=ANY_LIFETIME)
        self.bundle = None
        return {}

    def process(self, request: Answer) -> Answer:
        result = self.group.process(raw(request, "message"), now=now())
        if isinstance(result, Decrypted):
            return {
                "kind": "applicationMessage",
                "data": result.data.hex(),
                "aad": result.aad.hex(),
                "sender": result.sender_leaf,
            }
        if isinstance(result, StagedPeerCommit):
            self.group.merge(result)
            return {"kind": "commit", "removed": not self.group.is_member}
        return {"kind": "proposal"}

    def encrypt(self, request: Answer) -> Answer:
        return {"message": self.group.encrypt(raw(request, "data"), aad=raw(request, "aad", ""), rng=os.urandom).hex()}

    def export(self, request: Answer) -> Answer:
        return {"secret": self.group.export(request["label"], raw(request, "context"), request["length"]).hex()}

    def state(self, _: Answer) -> Answer:
        return {
            "epoch": self.group.epoch,
            "epoch_authenticator": self.group.epoch_authenticator.hex(),
            "tree_hash": self.group.tree_hash.hex(),
            "members": [member.identity.decode(errors="backslashreplace") for member in self.group.members()],
        }


def main() -> None:
    """Answer requests until the input ends."""
    peer = Peer()
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(peer.answer(line)), flush=True)


if __name__ == "__main__":
    main()
