"""The container files on paper: there is no engine to run them, so what can be read is checked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from service.settings import Settings

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
SERVICE_KEYS = {
    "build", "cap_drop", "depends_on", "environment", "healthcheck", "image", "ports", "read_only", "restart",
    "security_opt", "tmpfs", "volumes",
}  # fmt: skip


def test_hadolint_finds_nothing() -> None:
    """The linter of the development tools, with every rule on."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_does_not_run_as_root_and_says_whether_it_is_well() -> None:
    """The last USER is not root; there is a HEALTHCHECK; the constraints are used."""
    users = re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.MULTILINE)

    assert users
    assert users[-1].partition(":")[0] not in ("root", "0")
    assert "\nHEALTHCHECK " in DOCKERFILE
    assert "--constraint constraints.txt" in DOCKERFILE


def test_what_the_image_copies_exists_and_reaches_the_build() -> None:
    """Every COPY names files of the repository that .dockerignore lets through."""
    passed = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = [name for line in re.findall(r"^COPY (.+)", DOCKERFILE, flags=re.MULTILINE) for name in line.split()[:-1]]

    assert copied
    assert set(copied) == passed
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_pinned_closed_and_unprivileged(name: str) -> None:
    """Known keys only, a version, the loopback address, no capabilities; a named volume is declared."""
    service = COMPOSE["services"][name]
    sources = [volume.rsplit(":/", 1)[0] for volume in service["volumes"]]
    named = {source for source in sources if re.fullmatch(r"\w+", source)}

    assert service.keys() <= SERVICE_KEYS
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["cap_drop"] == ["ALL"]
    assert named <= COMPOSE["volumes"].keys()
    assert set(service.get("depends_on", {})) <= COMPOSE["services"].keys()


def test_the_settings_that_are_set_exist() -> None:
    """Every EARWITNESS_ variable in both files is a setting."""
    environment = COMPOSE["services"]["earwitness"]["environment"]
    named = {*environment, *re.findall(r"EARWITNESS_[A-Z_]+", DOCKERFILE)}

    assert "EARWITNESS_DATA" in named
    assert {name.removeprefix("EARWITNESS_").lower() for name in named} <= Settings.model_fields.keys()


def test_the_qdrant_server_is_as_old_as_its_client() -> None:
    """Qdrant supports a client and a server whose minor versions are the same."""
    lines = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    (client,) = [str(line.specifier).removeprefix("==") for line in lines if line.name == "qdrant-client"]

    assert COMPOSE["services"]["qdrant"]["image"].startswith(f"qdrant/qdrant:v{client.rpartition('.')[0]}.")
