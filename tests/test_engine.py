"""The engine hears every claim once, and one bad recording delays nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpu.engine import Decoded, Failed, Finished, Heard, LocalEngine
from tests.media_maker import mono, write_media
from transcribe.media import Audio, decode
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import TurnsArtifact, WordsArtifact


@dataclass(frozen=True, slots=True)
class Asked:
    source: str
    alone: bool = False
    names: tuple[str, ...] = ()


class Ears:
    """Hears nothing, and fails where it is told to."""

    def __init__(self, deaf_to: frozenset[str] = frozenset()) -> None:
        self.deaf_to = deaf_to
        self.heard: list[str] = []

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        self.heard.append("words")
        if "words" in self.deaf_to:
            raise RuntimeError("out of ears")
        return WordsArtifact(audio.recording_id, audio.media, (), (), ())

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        self.heard.append("turns")
        if "turns" in self.deaf_to:
            raise RuntimeError("cannot tell voices apart\nsecond line")
        return TurnsArtifact(audio.recording_id, (), ())


@pytest.fixture
def sources(tmp_path: Path) -> list[Asked]:
    for name in ("a", "b", "c"):
        write_media(tmp_path / f"{name}.wav", mono([100 + ord(name)], 500, 16_000, "pcm_s16le"))
    return [Asked(str(tmp_path / f"{name}.wav")) for name in ("a", "b", "c")]


def both(_claim: Asked, _audio: Audio) -> frozenset[str]:
    return frozenset({"words", "turns"})


def test_every_claim_is_read_heard_and_finished(sources: list[Asked]) -> None:
    """Read, heard twice, finished: in that order for each claim, whatever happens to the others in between."""
    events = list(LocalEngine(Ears()).hear(sources, both))

    for source in sources:
        assert [type(event) for event in events if event.claim is source] == [Decoded, Heard, Heard, Finished]


def test_names_reach_the_words_of_their_own_recording(sources: list[Asked]) -> None:
    """What the claim says about people is told to whoever hears its words."""
    told: dict[str, Sequence[str]] = {}

    class Curious(Ears):
        def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
            told[audio.recording_id] = names
            return super().words(audio, spent, names)

    named = [Asked(source.source, names=(f"Officer {n}",)) for n, source in enumerate(sources)]
    events = list(LocalEngine(Curious()).hear(named, both))

    assert told == {event.audio.recording_id: event.claim.names for event in events if isinstance(event, Decoded)}


def test_words_of_several_recordings_are_heard_together(sources: list[Asked]) -> None:
    """Each waits here for all the others to have begun: that is how they come to share batches."""

    class Patient(Ears):
        begun = threading.Barrier(3, timeout=10)

        def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
            self.begun.wait()
            return super().words(audio, spent, names)

    events = list(LocalEngine(Patient()).hear(sources, both))

    assert not [event for event in events if isinstance(event, Failed)]


def test_no_more_is_in_flight_than_allowed(sources: list[Asked]) -> None:
    """Half a second each: with one second allowed the third is started when another is finished."""

    class Together(Ears):
        begun = 0
        counting = threading.Condition()

        def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
            with self.counting:
                self.begun += 1
                self.counting.notify_all()
                self.counting.wait_for(lambda: self.begun >= 2, timeout=10)
            return super().words(audio, spent, names)

    flying, most = 0, 0
    for event in LocalEngine(Together(), together_seconds=1.0).hear(sources, both):
        flying += isinstance(event, Decoded) - isinstance(event, Finished)
        most = max(most, flying)

    assert most == 2


def test_a_failing_diarizer_costs_no_words(sources: list[Asked]) -> None:
    """The words arrive; the failure is its own event, of one line, worth another try."""
    events = list(LocalEngine(Ears(frozenset({"turns"}))).hear(sources[:1], both))

    assert sum(isinstance(event, Heard) for event in events) == 1
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.stage, failed.error) == ("turns", "RuntimeError: cannot tell voices apart")
    assert failed.transient


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "out of memory (MemoryError: no message); free some, and ingest again"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 9 GiB.\nSee the documentation"),
            "out of memory (RuntimeError: CUDA out of memory. Tried to allocate 9 GiB.); free some, and ingest again",
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "out of memory (RuntimeError: [enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: "
            "can't allocate memory: 9 bytes); free some, and ingest again",
        ),
    ],
)
def test_a_diarizer_without_memory_costs_no_words(sources: list[Asked], error: Exception, says: str) -> None:
    """Words and the other recordings arrive; the failure says what it was, and may pass."""

    class Hungry(Ears):
        def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
            if audio.recording_id == hungry_for:
                raise error
            return super().turns(audio, spent)

    hungry_for = decode(sources[1].source).recording_id
    events = list(LocalEngine(Hungry()).hear(sources, both))

    assert sum(isinstance(event, Heard) for event in events) == 5
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.stage, failed.error, failed.transient) == ("turns", says, True)


def test_words_and_turns_are_heard_side_by_side(sources: list[Asked]) -> None:
    """Each waits here for the other to have begun."""

    class Patient(Ears):
        begun = threading.Barrier(2, timeout=10)

        def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
            self.begun.wait()
            return super().words(audio, spent, names)

        def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
            self.begun.wait()
            return super().turns(audio, spent)

    events = list(LocalEngine(Patient(), together=1).hear(sources, both))

    assert sum(isinstance(event, Heard) for event in events) == 6


def test_turns_of_several_recordings_are_heard_at_once(sources: list[Asked]) -> None:
    """Each waits here for the two others to have begun, so that their windows could share batches."""

    class Sociable(Ears):
        begun = threading.Barrier(3, timeout=10)

        def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
            self.begun.wait()
            return super().turns(audio, spent)

    events = list(LocalEngine(Sociable()).hear(sources, both))

    assert sum(isinstance(event, Heard) for event in events) == 6


def test_an_unreadable_source_is_one_event_among_others(sources: list[Asked], tmp_path: Path) -> None:
    """The ones after it are heard as if it had not been there."""
    bad = tmp_path / "bad.wav"
    bad.write_text("not sound")
    events = list(LocalEngine(Ears()).hear([sources[0], Asked(str(bad)), sources[1]], both))

    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.stage, failed.transient) == ("decode", False)
    assert sum(isinstance(event, Heard) for event in events) == 4
    assert sum(isinstance(event, Finished) for event in events) == 3


def test_only_the_stages_that_are_wanted_are_heard(sources: list[Asked]) -> None:
    """A recording known under another name is read, recognised, and not heard again."""
    ears = Ears()
    wanted = {sources[0]: frozenset[str](), sources[1]: frozenset({"turns"}), sources[2]: frozenset({"words"})}
    list(LocalEngine(ears).hear(sources, lambda claim, _audio: wanted[claim]))

    assert sorted(ears.heard) == ["turns", "words"]


def test_stopping_finishes_what_is_in_flight_and_starts_nothing_else(sources: list[Asked]) -> None:
    """The recording being heard gets its last event; claims that were only read ahead are left alone."""
    stop = threading.Event()
    pulled: list[Asked] = []

    def claims() -> Iterator[Asked]:
        for source in sources:
            pulled.append(source)
            yield source

    events = []
    for event in LocalEngine(Ears(), stop, ahead=1, together=1).hear(claims(), both):
        events.append(event)
        if isinstance(event, Heard):
            stop.set()

    assert [type(event) for event in events] == [Decoded, Heard, Heard, Finished]
    assert len(pulled) <= 2


def test_what_a_process_died_over_is_heard_with_nothing_else_in_flight(sources: list[Asked]) -> None:
    """Claims before it are finished first, and none after it is pulled until it is: its neighbours stay innocent."""
    suspect = Asked(sources[1].source, alone=True)
    pulled: list[Asked] = []

    def claims() -> Iterator[Asked]:
        for claim in (sources[0], suspect, sources[2]):
            pulled.append(claim)
            yield claim

    finished: list[Asked] = []
    for event in LocalEngine(Ears(), ahead=2).hear(claims(), both):
        if isinstance(event, Decoded) and event.claim is suspect:
            assert finished == [sources[0]]
            assert pulled == [sources[0], suspect]
        if isinstance(event, Finished):
            finished.append(event.claim)

    assert finished == [sources[0], suspect, sources[2]]
