"""Models are found where they should be, checked against their published hashes, and joined whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gpu.devices import pick_device
from gpu.errors import CacheUnusable, ModelDamaged, ModelMissing
from gpu.listener import HearingModels, HearingOptions
from gpu.models import KNOWN, WHISPER_BASE_SHA256, ModelPlaces, resolve, sha256_of
from transcribe.diarization import DiarizationOptions
from transcribe.options import DecodingOptions, WordsOptions


def bundled_only(cache: Path) -> ModelPlaces:
    return ModelPlaces(None, cache)


@pytest.mark.parametrize(
    "name", ["whisper-base", "whisper-tiny.en", "segmentation-3.0", "campplus", "all-MiniLM-L6-v2", "silero-vad"]
)
def test_bundled_models_match_their_published_hashes(model_places: ModelPlaces, name: str) -> None:
    """What the packages hold is what was published."""
    model = resolve(name, model_places)

    assert model.sha256 == KNOWN[name].sha256 == sha256_of(model.weights)
    assert model.found_in.startswith("package")


def test_whisper_base_is_joined_from_its_parts_once_and_mended_when_damaged(tmp_path: Path) -> None:
    """The joined file is the published one; a damaged copy is made again."""
    places = bundled_only(tmp_path)
    joined = resolve("whisper-base", places)
    assert joined.sha256 == WHISPER_BASE_SHA256
    first = joined.weights.stat().st_mtime_ns
    assert resolve("whisper-base", places).weights.stat().st_mtime_ns == first

    joined.weights.write_bytes(b"half a model")
    assert resolve("whisper-base", places).sha256 == WHISPER_BASE_SHA256
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["whisper-base"]


def test_a_cache_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The error says which setting helps."""
    (tmp_path / "file").touch()
    with pytest.raises(CacheUnusable, match="EARWITNESS_CACHE"):
        resolve("whisper-base", bundled_only(tmp_path / "file"))


def test_the_models_folder_wins_over_packages(tmp_path: Path, model_places: ModelPlaces) -> None:
    """What an operator put there is taken; its own hash goes to provenance."""
    shutil.copytree(resolve("whisper-tiny.en", model_places).path, tmp_path / "whisper-base")
    model = resolve("whisper-base", ModelPlaces(tmp_path, tmp_path / "cache"))

    assert model.found_in == "models folder"
    assert model.sha256 == KNOWN["whisper-tiny.en"].sha256


def test_an_explicit_folder_is_identified_by_its_hash(model_places: ModelPlaces) -> None:
    """A path is taken as it is."""
    folder = resolve("whisper-tiny.en", model_places).path
    model = resolve(str(folder), model_places)

    assert (model.found_in, model.sha256) == ("directory", KNOWN["whisper-tiny.en"].sha256)


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    """Known and unknown names: both errors say what to do next."""
    with pytest.raises(ModelMissing, match=r"EARWITNESS_MODELS/large-v3-turbo"):
        resolve("large-v3-turbo", bundled_only(tmp_path))
    with pytest.raises(ModelMissing, match="whisper-base"):
        resolve("whisper-enormous", bundled_only(tmp_path))


def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are not the published ones are not run."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"not the model")
    known = KNOWN["segmentation-3.0"]
    monkeypatch.setitem(
        KNOWN,
        "segmentation-3.0",
        type(known)(*(getattr(known, f) for f in known.__slots__[:-1]), find=lambda _places: tmp_path),
    )
    with pytest.raises(ModelDamaged, match="install the model again"):
        resolve("segmentation-3.0", bundled_only(tmp_path))


def test_a_fingerprint_changes_with_what_its_stage_reads_and_nothing_else(model_places: ModelPlaces) -> None:
    """A diarization option touches only turns, a Whisper option only words."""
    models = HearingModels.find(None, pick_device("cpu"), model_places)
    plain = models.fingerprints(HearingOptions())
    turns = models.fingerprints(HearingOptions(diarization=DiarizationOptions(change_cost=0.2)))
    words = models.fingerprints(HearingOptions(words=WordsOptions(decoding=DecodingOptions(pad_ms=2_000))))

    assert plain == models.fingerprints(HearingOptions())
    assert (turns["words"], words["turns"]) == (plain["words"], plain["turns"])
    assert turns["turns"] != plain["turns"]
    assert words["words"] != plain["words"]
