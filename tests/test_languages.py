"""Which language each stretch of speech is in."""

from __future__ import annotations

from transcribe.languages import LanguageGuess, settle_languages


def test_unsure_spans_take_the_language_of_their_clear_neighbours() -> None:
    """Short or doubtful spans follow the nearest clear one; a language nobody speaks here is ignored."""
    guesses = [
        LanguageGuess({"en": 0.95, "cy": 0.03}, 4_000),
        LanguageGuess({"cy": 0.6, "en": 0.3}, 600),
        LanguageGuess({"es": 0.9, "pt": 0.1}, 3_000),
        LanguageGuess({"pt": 0.5, "es": 0.4}, 500),
        LanguageGuess({"en": 0.9}, 5_000),
    ]

    assert settle_languages(guesses) == ["en", "en", "es", "es", "en"]
    assert settle_languages([]) == []
