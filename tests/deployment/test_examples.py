"""The shipped units, balancers and the compose file: what their own programs say of them, and that they fit the image."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from hotline.cli import main
from hotline.store.place import server
from tests.deployment.machines import EXAMPLES, shipped

ROOT = Path(__file__).parents[2]
SYSTEMD = shutil.which("systemd-analyze")
YAML = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.read())))"


def compose() -> dict[str, Any]:
    """As YAML's own reader understands it: the system's, so that nothing of it is among what we install."""
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("no /usr/bin/python3 with yaml (install the package python3-yaml): compose.yaml was NOT checked")
    found = subprocess.run([python, "-c", YAML], input=(EXAMPLES / "compose.yaml").read_bytes(), capture_output=True)
    if b"No module named" in found.stderr:
        pytest.skip("no yaml in /usr/bin/python3 (install the package python3-yaml): compose.yaml was NOT checked")
    assert found.returncode == 0, found.stderr
    value: dict[str, Any] = json.loads(found.stdout)
    return value


@pytest.mark.skipif(
    SYSTEMD is None, reason="no systemd-analyze here (install the package systemd): units were NOT verified"
)
def test_the_unit_is_one_that_systemd_takes_and_gives_little_away(tmp_path: Path) -> None:
    assert SYSTEMD is not None
    unit = tmp_path / "hotline-hub.service"
    unit.write_text(shipped("hotline-hub.service", program="/opt/hotline/bin/hotline -> /bin/true"))
    said = subprocess.run([SYSTEMD, "verify", unit], capture_output=True, text=True)
    assert (said.returncode, said.stderr.strip()) == (0, "")
    said = subprocess.run(
        [SYSTEMD, "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True
    )
    if "nrecognized option" in said.stderr:
        return  # systemd before 250 looks at running units only
    assert said.returncode == 0, said.stdout[-200:]


def test_the_units_command_exists_and_ends_for_good_where_the_hub_says_so() -> None:
    text = (EXAMPLES / "hotline-hub.service").read_text()
    match = re.search(r"^ExecStart=/opt/hotline/bin/hotline (.*)$", text, re.MULTILINE)
    assert match is not None
    check_command(shlex.split(match[1]))
    assert "RestartPreventExitStatus=3" in text


def test_the_compose_file_fits_the_image() -> None:
    value = compose()
    image = (ROOT / "Dockerfile").read_text()
    (user,) = re.findall(r"^USER (\d+):\d+$", image, re.MULTILINE)
    assert int(user) > 0
    services, secrets = value["services"], value["secrets"]
    hubs = {name: each for name, each in services.items() if each["image"] == "hotline"}
    assert len(hubs) == 2
    for each in hubs.values():
        check_command(each["command"])
        assert each["command"][:3] == ["hub", "serve", "/data"]
        assert "VOLUME /data" in image
        assert any(volume.endswith(":/data") for volume in each["volumes"])
        assert all(port.endswith(":8443") for port in each["ports"])
        assert "EXPOSE 8443" in image
        assert set(each["secrets"]) <= set(secrets)
        assert each["environment"]["PGPASSFILE"].removeprefix("/run/secrets/") in each["secrets"]
        assert set(each["depends_on"]) <= set(services)
        assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"])
        assert "/tmp" in each["tmpfs"]
        assert "no-new-privileges:true" in each["security_opt"]
    published = [port for each in hubs.values() for port in each["ports"]]
    assert len(set(published)) == len(published)
    files = [volume for each in hubs.values() for volume in each["volumes"] if volume.endswith(":/files")]
    assert len(files) == 2
    assert len(set(files)) == 1, "hubs that share a store share the folder of files"
    for name in value["volumes"]:
        assert any(volume.startswith(f"{name}:") for each in services.values() for volume in each.get("volumes", ()))


def test_the_servers_of_the_how_to_are_those_of_the_examples() -> None:
    page = (ROOT / "docs" / "how-to" / "run-a-hub-on-postgresql.md").read_text()
    match = re.search(r'^url = "(host=a\.example.*)"$', page, re.MULTILINE)
    assert match is not None
    server(match[1])
    assert "synchronous_standby_names = 'ANY 1 (a, b, c)'" in (EXAMPLES / "postgresql.conf").read_text()
    for name in ("compose.yaml", "haproxy.cfg", "nginx.conf", "hotline-hub.service", "postgresql.conf", "pg_hba.conf"):
        assert f"../examples/postgresql/{name}" in page, name


def check_command(words: list[str]) -> None:
    """Raises where the program has no such command or option."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, words
        command = found
    known = {name for each in command.params for name in each.opts}
    assert {word for word in rest if word.startswith("--")} <= known, words
