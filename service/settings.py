"""Settings: flags, then environment (`EARWITNESS_…`), then `DATA/earwitness.toml`, then defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gpu.models import ModelPlaces
from service.errors import SettingsWrong

DATA_VARIABLE = "EARWITNESS_DATA"
DEFAULT_DATA = Path("earwitness-data")


class VoicesSettings(BaseModel):
    """Voices across recordings: biometric data, so that nothing is kept unless an agency decides that it may be."""

    model_config = ConfigDict(extra="forbid")  # a misspelt setting must not look like a decision

    enabled: bool = Field(default=False, description="whether voices are kept, sealed, and can be compared")
    key_file: Path | None = Field(default=None, description="file with the key, 32 random bytes in base64")
    key: str | None = Field(default=None, description="the key itself, where the environment keeps secrets", repr=False)


class Settings(BaseSettings):
    """Every setting of earwitness. README, "Settings", says the same for people."""

    model_config = SettingsConfigDict(env_prefix="EARWITNESS_", env_nested_delimiter="__", extra="ignore")

    data: Path = Field(DEFAULT_DATA, description="folder of catalog, transcripts and index")
    catalog_url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in the data folder")
    transcripts_url: str | None = Field(None, description="fsspec URL; default: a folder in the data folder")
    qdrant_url: str | None = Field(None, description="Qdrant server; default: Qdrant Edge in the data folder")
    qdrant_api_key: str | None = Field(None, description="key of that server", repr=False)
    models: Path | None = Field(None, description="folder with models, one folder each")
    cache: Path | None = Field(None, description="where joined and downloaded models are kept")
    allow_hub: bool = Field(False, description="whether models may be downloaded from the Hugging Face hub")
    zone: str = Field("UTC", description="the agency's time zone (IANA name), for times without an offset")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where models run")
    threads: int | None = Field(
        None, ge=1, description="CPU threads of each model; two hear side by side; default: half of the cores"
    )
    asr_model: str | None = Field(None, description="name or folder; default: by device")
    translator_model: str | None = Field(
        None, description="Whisper model that puts other languages into English; default: by `asr_model`"
    )
    vocabulary: Path | None = Field(
        None, description="file of names and words to expect, one a line; hears every window twice"
    )
    vocabulary_names: bool = Field(False, description="whether to expect the officer the manifest names, likewise")
    text_model: str = Field("all-MiniLM-L6-v2", description="text embedding model, name or folder")
    search_deadline_seconds: float = Field(
        10.0, gt=0, description="a search that would take longer answers with what it has, and says so"
    )
    voices: VoicesSettings = Field(VoicesSettings(), description="voices across recordings; off by default")

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError(f"{zone!r} is not an IANA time zone such as America/Los_Angeles") from error
        return zone

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings().get("data") or os.environ.get(DATA_VARIABLE) or DEFAULT_DATA
        toml = TomlConfigSettingsSource(settings_cls, Path(given) / "earwitness.toml")
        return init_settings, env_settings, toml

    @property
    def catalog(self) -> str:
        return self.catalog_url or f"sqlite:///{self.data.resolve() / 'catalog.sqlite'}"

    @property
    def transcripts(self) -> str:
        return self.transcripts_url or str(self.data.resolve() / "transcripts")

    @property
    def index(self) -> Path:
        return self.data.resolve() / "index"

    @property
    def model_places(self) -> ModelPlaces:
        default = ModelPlaces.from_environment()
        return ModelPlaces(self.models, self.cache or default.cache, self.allow_hub)


def load_settings(**flags: object) -> Settings:
    """Settings with the given flags on top; a flag that is None was not given.

    Raises:
        SettingsWrong: names the setting, its value and what would fit.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values itself
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsWrong(name, str(first["msg"])) from error
    except ValueError as error:  # the TOML file does not parse
        raise SettingsWrong("earwitness.toml", str(error)) from error
