"""The house itself: light imports, one direction, and documents that say what the code does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from service.cli.main import COMMANDS, cli
from service.settings import Settings, VoicesSettings
from tests.conftest import FOOTAGE, Archive, earwitness
from transcribe.formats import FORMATS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
HEAVY = {"torch", "qdrant_client", "qdrant_edge", "ray", "ctranslate2", "faster_whisper", "pyannote", "av"}


@pytest.mark.parametrize(
    "code",
    [
        "import transcribe.transcript, transcribe.spans, transcribe.formats, transcribe.media, transcribe.whisper",
        "import search.passages, search.protocols, search.query, search.searcher, search.indexes.edge",
        "import gpu.models, gpu.engine, gpu.listener",
        "import service.catalog, service.settings, service.indexing, service.finding, service.ingest",
        "from service.cli.main import cli; cli.main(['--help'], standalone_mode=False)",
    ],
)
def test_data_modules_and_help_load_nothing_heavy(code: str) -> None:
    """Torch, Qdrant, Ray, CTranslate2 and PyAV are imported where they are used, not where they are named."""
    check = f"{code}\nimport sys\nloaded = {HEAVY!r} & set(sys.modules)\nassert not loaded, loaded"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_imports_point_one_way() -> None:
    """benchmarks, service, gpu, search, transcribe: each imports only what stands after it."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", [*sorted(Settings.model_fields), *(f"voices.{name}" for name in sorted(VoicesSettings.model_fields))]
)
def test_every_setting_is_in_the_readme(name: str) -> None:
    """A setting nobody can read about does not exist."""
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_explains_itself(name: str) -> None:
    """Each command is shown, and each of its options has a help text."""
    command = cli.get_command(None, name)  # type: ignore[arg-type]  # the context is not looked at

    assert f"earwitness {name}" in README
    assert command is not None
    for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
        assert one.help
        assert all(option.help for option in one.params if isinstance(option, click.Option))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_exported_and_is_in_the_changelog(archive: Archive, name: str) -> None:
    """The command line offers what the library writes."""
    done = earwitness("export", "AXON_Body_3_2025-03-14_2231_X60A12345.mp4", "--format", name, data=archive.data)

    assert done.code == 0, done.err
    assert done.out.strip()
    assert name in (ROOT / "CHANGELOG.md").read_text()


def test_the_commands_of_the_readme_work(archive: Archive, tmp_path: Path) -> None:
    """Every line of its shell block, run as it stands on the footage of the tests."""
    (block,) = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "broken.mp4").write_text("not a video")
    ran = []
    for line in block.splitlines():
        line = line.replace("/footage/2025/export.csv", str(FOOTAGE / "manifest.csv"))
        words = shlex.split(line.replace("/footage/2025", str(FOOTAGE)))
        if words[0] != "earwitness":
            continue
        done = subprocess.run(
            [Path(sys.executable).with_name("earwitness"), "--data", archive.data, *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (3 if "broken.mp4" in words else 0), (line, done.stderr)
        ran.append(words[1])

    assert {"ingest", "status", "search", "export", "doctor"} <= set(ran)
    assert (tmp_path / "captions.vtt").read_text().startswith("WEBVTT")
    assert len(list((tmp_path / "transcripts").glob("*.json"))) == 5


def test_models_and_doctor_say_that_this_machine_is_ready() -> None:
    """Every bundled model is found and checked; the machine can hear."""
    models = {model["name"]: model for model in earwitness("models", "--json").json["models"]}
    doctor = earwitness("doctor", "--json")

    assert models["whisper-base"]["found"]
    assert models["whisper-base"]["pinned"]
    assert not models["large-v3-turbo"]["found"]
    assert "EARWITNESS_MODELS" in models["large-v3-turbo"]["remedy"]
    assert doctor.code == 0, doctor.out
    assert doctor.json["ok"]


@pytest.mark.parametrize("place", [["--json", "models"], ["models", "--json"]])
def test_global_options_stand_before_or_after_the_command(place: list[str]) -> None:
    """Nobody remembers which side."""
    assert "models" in earwitness(*place).json
