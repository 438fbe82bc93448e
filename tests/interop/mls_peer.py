"""Our group engine as a peer for other implementations: ``python -m tests.interop.mls_peer``.

Speaks JSON lines on standard input and output, binary values in hex. Each request has an ``op``:

============  =======================================  ==========================================
op            arguments                                answer
============  =======================================  ==========================================
init          suite, name                              {}
create        group                                    state
key_package                                            {key_package}
commit        add, remove, public                      {commit, welcome} and state; merged at once
propose       add or remove                            {proposal}
join          welcome                                  state
process       message                                  state, or {proposal: true}
encrypt       data, aad                                {message}
decrypt       message                                  {data, aad, sender}
export        label, context, length                   {secret}
state                                                  {epoch, authenticator, tree_hash, members}
============  =======================================  ==========================================

A refusal is answered with ``{"error": code, "detail": text}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from protocols.mls import Group, KeyPackageBundle, MlsError, StagedPeerCommit, make_key_package

Answer = dict[str, Any]


class Peer:
    """One member, driven by requests."""

    def __init__(self) -> None:
        self.suite = 0
        self.name = b""
        self.seed = b""
        self.bundle: KeyPackageBundle | None = None
        self._group: Group | None = None

    @property
    def group(self) -> Group:
        """The group, once there is one."""
        if self._group is None:
            raise ValueError("not in a group")
        return self._group

    def handle(self, request: Answer) -> Answer:
        """Answer one request."""
        operation: Callable[[Answer], Answer] = getattr(self, "op_" + request["op"])
        return operation(request)

    def op_init(self, request: Answer) -> Answer:
        self.suite, self.name, self.seed = request["suite"], request["name"].encode(), os.urandom(32)
        return {}

    def op_create(self, request: Answer) -> Answer:
        group_id = bytes.fromhex(request["group"])
        self._group = Group.create(self.suite, group_id, self.name, self.seed, now=int(time.time()), rng=os.urandom)
        return self.op_state(request)

    def op_key_package(self, request: Answer) -> Answer:
        now = int(time.time())
        self.bundle = make_key_package(
            self.suite, self.name, self.seed, not_before=now - 3600, not_after=now + 3600, rng=os.urandom
        )
        return {"key_package": self.bundle.key_package.hex()}

    def op_commit(self, request: Answer) -> Answer:
        staged = self.group.commit(
            add=[bytes.fromhex(package) for package in request.get("add", [])],
            remove=request.get("remove", []),
            public=request.get("public", True),
            now=int(time.time()),
            rng=os.urandom,
        )
        self.group.merge(staged)
        welcome = None if staged.welcome is None else staged.welcome.hex()
        return {"commit": staged.commit.hex(), "welcome": welcome, **self.op_state(request)}

    def op_propose(self, request: Answer) -> Answer:
        now = int(time.time())
        if "add" in request:
            message = self.group.propose_add(bytes.fromhex(request["add"]), now=now)
        else:
            message = self.group.propose_remove(request["remove"], now=now)
        return {"proposal": message.hex()}

    def op_join(self, request: Answer) -> Answer:
        if self.bundle is None:
            raise ValueError("no key package was made")
        welcome = bytes.fromhex(request["welcome"])
        self._group = Group.join(welcome, self.bundle, self.seed, now=int(time.time()))
        self.bundle = None
        return self.op_state(request)

    def op_process(self, request: Answer) -> Answer:
        result = self.group.process(bytes.fromhex(request["message"]), now=int(time.time()))
        if isinstance(result, StagedPeerCommit):
            self.group.merge(result)
            return self.op_state(request) if self.group.is_member else {"removed": True}
        return {"proposal": True}

    def op_encrypt(self, request: Answer) -> Answer:
        data, aad = bytes.fromhex(request["data"]), bytes.fromhex(request.get("aad", ""))
        return {"message": self.group.encrypt(data, aad=aad, rng=os.urandom).hex()}

    def op_decrypt(self, request: Answer) -> Answer:
        read = self.group.decrypt(bytes.fromhex(request["message"]))
        return {"data": read.data.hex(), "aad": read.aad.hex(), "sender": read.sender_leaf}

    def op_export(self, request: Answer) -> Answer:
        secret = self.group.export(request["label"], bytes.fromhex(request["context"]), request["length"])
        return {"secret": secret.hex()}

    def op_state(self, request: Answer) -> Answer:
        return {
            "epoch": self.group.epoch,
            "authenticator": self.group.epoch_authenticator.hex(),
            "tree_hash": self.group.tree_hash.hex(),
            "members": [member.identity.decode() for member in self.group.members()],
        }


def main() -> None:
    """Answer requests until the input ends."""
    peer = Peer()
    for line in sys.stdin:
        try:
            answer = peer.handle(json.loads(line))
        except MlsError as error:
            answer = {"error": error.code, "detail": error.detail}
        except (ValueError, KeyError, AttributeError) as error:
            answer = {"error": "request", "detail": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
