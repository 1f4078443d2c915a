"""What every test may use: the footage, the corpus when there is one, and one ingested archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from gpu.devices import wait_without_spinning
from gpu.models import ModelPlaces
from gpu.offline import stay_offline

stay_offline()
wait_without_spinning()

# A law holds or not; how long an example takes depends on who else uses the machine.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")

FOOTAGE = Path(__file__).parent / "footage"

# A skip is an admission; these are the ones we make. Any other fails the run.
ALLOWED_SKIPS = ("no corpus", "no GPU", "no QDRANT_URL", "no PostgreSQL", "no Chromium")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(ALLOWED_SKIPS):
            reporter.write_line(f"not an allowed reason to skip: {report.nodeid}: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def earwitness(*args: str | Path, data: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
    """Run the real command in a process of its own."""
    command = [str(Path(sys.executable).with_name("earwitness")), *(["--data", str(data)] if data else [])]
    done = subprocess.run(
        [*command, *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=500,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Archive:
    """A data folder with the footage in it, and what its ingest reported."""

    data: Path
    report: dict[str, Any]

    def search(self, query: str, *args: str) -> Any:
        found = earwitness("search", query, "--json", *args, data=self.data)
        assert found.code == 0, found.err
        return found.json


@pytest.fixture(scope="session")
def footage() -> Path:
    return FOOTAGE


@pytest.fixture(scope="session")
def model_places() -> ModelPlaces:
    return ModelPlaces.from_environment()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The footage, heard once for all tests that only read."""
    data = tmp_path_factory.mktemp("archive") / "data"
    done = earwitness("ingest", FOOTAGE, "--manifest", FOOTAGE / "manifest.csv", "--json", data=data)
    assert done.code == 0, done.err
    return Archive(data, done.json)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A folder laid out like the development corpus: patrol/, voices/, speech/, queries.jsonl."""
    place = os.environ.get("EARWITNESS_CORPUS")
    if not place or not Path(place).is_dir():
        pytest.skip("no corpus: set EARWITNESS_CORPUS")
    return Path(place)


def reference(stem: str) -> Any:
    """The truth beside a recording of the footage."""
    return json.loads((FOOTAGE / f"{stem}.json").read_text())
