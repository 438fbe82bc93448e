"""``python -m hotline.hub.health DIR``: exit status 0 if the hub that was made in DIR answers on this machine.

For container and service managers. It trusts the hub's own certificate and nothing else, and needs no key.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from pathlib import Path

from hotline.hub.errors import HubNotReady
from hotline.hub.settings import read_settings

TIMEOUT = 4.0  # seconds
MAX_TEXT = 4096
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what a hub may listen on


def answers(folder: Path) -> bool:
    """Whether ``/healthz`` answers. Raises `HubNotReady` for a folder that holds no hub."""
    found = ask(folder, "/healthz")
    return found is not None and found[0] == 200


def ask(folder: Path, path: str) -> tuple[int, str] | None:
    """Status and text of a page of the hub that was made in ``folder``, asked on this machine; None where none answers.

    Raises `HubNotReady` for a folder that holds no hub.
    """
    settings = read_settings(folder / "hub.toml")
    host, port = settings.address
    host = _EVERYWHERE.get(host, host)
    connection: http.client.HTTPConnection
    if settings.plain:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate itself is pinned
        context.load_verify_locations(folder / "tls.crt")
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(MAX_TEXT).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def main() -> int:
    """The exit status."""
    try:
        return 0 if answers(Path(sys.argv[1])) else 1
    except (HubNotReady, IndexError) as error:
        print(f"no hub to ask: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
