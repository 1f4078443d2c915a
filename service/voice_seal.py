"""Sealing voices: what lies in the catalog says nothing without the key, and cannot be moved to another speaker.

AES-256-GCM with a fresh nonce for each voice. Whose voice it is, by which model and of how much speech, is bound to it:
a row that was changed, or swapped with another, does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from service.catalog import SealedVoice
from service.errors import VoicesKeyWrong, VoicesOff, VoiceUnreadable
from service.settings import VoicesSettings
from transcribe.transcript import RecordingId, canonical_json
from transcribe.voices import SpeakerVoice

KEY_BYTES, NONCE_BYTES = 32, 12


class VoiceSeal:
    """Seals and opens voices with one key, which it never shows."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"earwitness: which key is this? " + key).hexdigest()[:16]

    @staticmethod
    def of(settings: VoicesSettings) -> VoiceSeal:
        """The seal the settings name.

        Raises:
            VoicesOff: voices are not enabled.
            VoicesKeyWrong
        """
        if not settings.enabled:
            raise VoicesOff
        return VoiceSeal(_key(settings))

    def seal(self, recording_id: RecordingId, speaker: str, voice: SpeakerVoice, model: str) -> SealedVoice:
        plain = SealedVoice(recording_id, speaker, model, voice.speech_ms, self.key_id, b"")
        nonce = os.urandom(NONCE_BYTES)
        vector = voice.vector.astype("<f4").tobytes()
        sealed = nonce + self._cipher.encrypt(nonce, vector, _about(plain))
        return SealedVoice(recording_id, speaker, model, voice.speech_ms, self.key_id, sealed)

    def open(self, voice: SealedVoice) -> NDArray[np.float32]:
        """The vector, of length one.

        Raises:
            VoiceUnreadable: it was changed, swapped, or sealed with another key.
        """
        nonce, sealed = voice.sealed[:NONCE_BYTES], voice.sealed[NONCE_BYTES:]
        try:
            return np.frombuffer(self._cipher.decrypt(nonce, sealed, _about(voice)), "<f4")
        except (InvalidTag, ValueError) as error:  # ValueError: too short to be one
            raise VoiceUnreadable(voice.recording_id, voice.speaker) from error


def _about(voice: SealedVoice) -> bytes:
    """What is bound to a voice. JSON: no two different lists of words are the same bytes."""
    return canonical_json(["earwitness voice 1", voice.recording_id, voice.speaker, voice.model, voice.speech_ms])


def _key(settings: VoicesSettings) -> bytes:
    if settings.key is not None and settings.key_file is not None:
        raise VoicesKeyWrong("both `voices.key` and `voices.key_file` are set, and one is enough")
    if settings.key is not None:
        return _decoded(settings.key, "`voices.key`")
    if settings.key_file is None:
        raise VoicesKeyWrong("they are enabled, and no key is set")
    try:
        text = Path(settings.key_file).read_text(encoding="ascii")
    except OSError as error:
        raise VoicesKeyWrong(f"the key file {settings.key_file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise VoicesKeyWrong(f"the key file {settings.key_file} does not hold a key in base64") from error
    return _decoded(text, f"the key file {settings.key_file}")


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise VoicesKeyWrong(f"{where} does not hold a key in base64") from None  # the cause would quote it
    if len(key) != KEY_BYTES:
        raise VoicesKeyWrong(f"{where} holds a key of {len(key)} bytes, and it takes {KEY_BYTES}")
    return key
