"""`earwitness doctor`: is this machine ready, and what is wrong with this file."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import asdict
from typing import Any

import click

from service.cli.main import EXIT_CANNOT_RUN, EXIT_SOME_FAILED, Globals, common
from service.cli.output import console, print_json


@click.command("doctor")
@click.argument("files", nargs=-1, metavar="[FILE…]")
@common
@click.pass_obj
def command(options: Globals, files: tuple[str, ...]) -> None:
    """Check this machine (models, device, data folder); with FILE, show what can be read in it."""
    if files:
        _examine(options, files)
    else:
        _check(options)


def _check(options: Globals) -> None:
    from gpu.devices import pick_device
    from gpu.errors import GpuError, ModelMissing
    from gpu.listener import HearingModels
    from gpu.models import Model, resolve
    from gpu.offline import stay_offline
    from service.data import prepare_data
    from service.errors import ServiceError
    from service.voice_seal import VoiceSeal

    settings = options.settings()
    stay_offline(settings.allow_hub)
    checks: list[dict[str, Any]] = []

    def check(name: str, ok: bool, says: str) -> None:
        checks.append({"check": name, "ok": ok, "says": says})

    check("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.machine()}")
    device = None
    try:
        device = pick_device(settings.device, settings.threads)
        check("device", True, str(device))
    except GpuError as error:
        check("device", False, str(error))
    if device:
        try:
            models = HearingModels.find(settings.asr_model, device, settings.model_places, settings.translator_model)
            check("hearing models", True, f"{models.asr.name}, {models.voice_activity.name}")
            if isinstance(models.speakers, ModelMissing):
                check("speaker models", False, str(models.speakers))
            elif isinstance(models.speakers, Model):
                check("speaker models", True, models.speakers.name)
            else:
                check("speaker models", True, f"{models.speakers.segmentation.name}, {models.speakers.speaker.name}")
        except GpuError as error:
            check("hearing models", False, str(error))
    try:
        check("text model", True, resolve(settings.text_model, settings.model_places).name)
    except GpuError as error:
        check("text model", False, str(error))
    if settings.voices.enabled:
        try:
            VoiceSeal.of(settings.voices)
            check("voices", True, "enabled, with a key that can be used")
        except ServiceError as error:
            check("voices", False, str(error))
    existing = next(folder for folder in (settings.data.resolve(), *settings.data.resolve().parents) if folder.exists())
    try:
        if settings.data.exists():
            prepare_data(settings)
        elif not os.access(existing, os.W_OK):
            raise PermissionError(f"{existing} may not be written by this user")
        check("data folder", True, f"{settings.data}, {shutil.disk_usage(existing).free / 1e9:.0f} GB free")
    except (ServiceError, PermissionError) as error:
        check("data folder", False, str(error))

    if options.json:
        print_json({"checks": checks, "ok": all(entry["ok"] for entry in checks)})
    else:
        for entry in checks:
            console().print(
                f"{'ok  ' if entry['ok'] else 'FAIL'}  {entry['check']}: {entry['says']}", markup=False, soft_wrap=True
            )
    if not all(entry["ok"] for entry in checks):
        sys.exit(EXIT_CANNOT_RUN)


def _examine(options: Globals, files: tuple[str, ...]) -> None:
    from transcribe.errors import TranscribeError
    from transcribe.media import probe

    examined: list[dict[str, Any]] = []
    for file in files:
        try:
            examined.append({"file": file, "ok": True, "facts": asdict(probe(file)), "error": None})
        except TranscribeError as error:
            examined.append({"file": file, "ok": False, "facts": None, "error": str(error)})
    if options.json:
        print_json({"files": examined})
    else:
        for entry in examined:
            if entry["ok"]:
                click.echo(entry["file"])
                for name, value in entry["facts"].items():
                    click.echo(f"  {name.replace('_', ' ')}: {value}")
            else:
                click.echo(f"{entry['file']}\n  {entry['error']}")
    if not all(entry["ok"] for entry in examined):
        sys.exit(EXIT_SOME_FAILED)
