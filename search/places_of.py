"""Where phrases were said together: a pattern answered exactly, on the positions and times of words.

First which recordings can hold it, by one pass over the index for each phrase; then each of them by itself, in the
order of recorded time. Within a recording nothing is combined across a hole in the stream of words, digital silence or
what was not processed: what was said meanwhile nobody knows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import groupby

from search.combining import Place, all_of, any_of, away_from, in_order, near, place
from search.deadline import NEVER, Deadline
from search.expression import And, Before, Expression, Field, Not, Or, Phrase, Within, leaves, parts_of
from search.grammar import is_condition
from search.indexes.exact import passes
from search.passages import CONTINUATION_WORDS, DOUBTS
from search.pattern import AROUND_MS, Pattern, narrow
from search.phrase import Occurrence, occurrences
from search.protocols import Filters, Index, Payload, point_id
from search.rank import Rank, latest, place_rank, recording_rank
from transcribe.transcript import RecordingId

Tokens = tuple[str, ...]
Said = Mapping[Tokens, Sequence[Occurrence]]  # where each phrase was said

READ_PASSAGES = 64  # at a time, to learn whether the stream breaks off between two places


def places_of(
    index: Index,
    pattern: Pattern,
    filters: Filters,
    doubtful: bool = False,
    deadline: Deadline = NEVER,
    latest_first: bool = False,
) -> Iterator[Occurrence]:
    """Every place of the pattern, each once, by recorded time; `said` are the words of its phrases.

    Args:
        filters: on every passage in which a phrase that is found starts; not on what NOT leaves out.
        doubtful: whether words that may not have been said count as said. If not, they do not count for NOT either,
            and places there would be only with them come, too: their `doubts` say so.
        deadline: ends it early; `has_cut` then says so.
        latest_first: what was recorded last comes first.

    Cost: one pass over the index per phrase that is not left out, of which it holds recordings in memory; then one
    question per phrase and recording that has all of them.
    """
    ranks = _recordings(index, pattern, pattern.expression, filters, deadline)
    in_order = sorted(ranks.values(), key=latest if latest_first else None)
    for _unknown, _recorded, recording_id in deadline.within(in_order):
        here = _Recording(index, pattern, filters, RecordingId(recording_id)).places(doubtful)
        yield from sorted(here, key=partial(place_rank, latest_first=latest_first))


def _recordings(
    index: Index, pattern: Pattern, expression: Expression, filters: Filters, deadline: Deadline
) -> dict[str, Rank]:
    """Those that may hold a place, by id."""
    if isinstance(expression, Phrase):
        found = deadline.within(index.phrase(expression.tokens[:CONTINUATION_WORDS], filters))
        return {hit.payload["recording_id"]: recording_rank(hit.payload) for hit in found}
    if isinstance(expression, And):
        for part in expression.parts:
            if isinstance(part, Field):
                filters = narrow(filters, pattern.where[part]) or filters  # what no filter can ask is asked later
    some = [
        _recordings(index, pattern, part, filters, deadline)
        for part in parts_of(expression)
        if not isinstance(part, Not) and not is_condition(part)
    ]
    if isinstance(expression, Or):
        return reduce(lambda one, other: one | other, some)
    return {key: rank for key, rank in some[0].items() if all(key in other for other in some[1:])}


class _Recording:
    """What was found of a pattern's phrases in one recording."""

    def __init__(self, index: Index, pattern: Pattern, filters: Filters, recording_id: RecordingId) -> None:
        self._index, self._pattern, self._filters = index, pattern, filters
        phrases = {leaf.tokens for leaf in leaves(pattern.expression) if isinstance(leaf, Phrase)}
        here = Filters(recording_id=recording_id, machine=filters.machine, grants=filters.grants)
        found = [(tokens, one) for tokens in phrases for one in occurrences(index, tokens, here)]
        self._stretches: list[Said] = []
        for together in self._together(found):
            said: dict[Tokens, list[Occurrence]] = {tokens: [] for tokens in phrases}
            for tokens, one in together:
                said[tokens].append(one)
            self._stretches.append(said)

    def places(self, doubtful: bool) -> Iterator[Occurrence]:
        """As `places_of`, in no order."""
        for said in self._stretches:
            sure = {tokens: [one for one in some if not one.doubts] for tokens, some in said.items()}
            found = [_as_one(one) for one in self._found(self._pattern.expression, (), said)]
            if doubtful or all(len(sure[tokens]) == len(some) for tokens, some in said.items()):
                yield from found
            else:
                yield from (_as_one(one) for one in self._found(self._pattern.expression, (), sure))
                yield from (one for one in found if one.doubts)

    def _together(self, found: Sequence[tuple[Tokens, Occurrence]]) -> Iterator[list[tuple[Tokens, Occurrence]]]:
        """Those that may be combined: near enough, and the stream does not break off between them."""
        reach_ms = _reach_ms(self._pattern.expression)
        groups: list[list[tuple[Tokens, Occurrence]]] = []
        version, end_ms = "", 0
        for tokens, one in sorted(found, key=lambda pair: (pair[1].payload["version"], pair[1].start_ms)):
            if groups and one.payload["version"] == version and one.start_ms - end_ms <= reach_ms:
                groups[-1].append((tokens, one))
                end_ms = max(end_ms, one.end_ms)
            else:
                groups.append([(tokens, one)])
                version, end_ms = one.payload["version"], one.end_ms
        for group in groups:
            breaks = self._breaks({one.payload["ordinal"]: one.payload for _tokens, one in group})

            def n_breaks_before(pair: tuple[Tokens, Occurrence], breaks: Sequence[int] = tuple(breaks)) -> int:
                return bisect_left(breaks, pair[1].payload["ordinal"])

            for _n_breaks, connected in groupby(sorted(group, key=n_breaks_before), key=n_breaks_before):
                yield list(connected)

    def _breaks(self, known: Mapping[int, Payload]) -> list[int]:
        """The passages from the first to the last of these after which the stream breaks off."""
        first = known[min(known)]
        names = {
            point_id(RecordingId(first["recording_id"]), first["version"], ordinal): ordinal
            for ordinal in range(min(known), max(known))
            if ordinal not in known
        }
        ids = list(names)
        read: dict[int, Payload] = dict(known)
        for at in range(0, len(ids), READ_PASSAGES):
            retrieved = self._index.retrieve(ids[at : at + READ_PASSAGES])
            read |= {names[key]: payload for key, payload in retrieved.items()}
        # A passage that is gone is being replaced: nothing is said about what lies beyond it.
        return [at for at in range(min(known), max(known)) if at not in read or not read[at]["after"]]

    def _found(
        self,
        expression: Expression,
        conditions: tuple[Expression, ...],
        said: Said,
        narrowed: bool = True,
    ) -> list[Place]:
        """The places of an expression, every part of them under the conditions and, if `narrowed`, the filters."""

        def found(part: Expression) -> list[Place]:
            return self._found(part, conditions, said, narrowed)

        match expression:
            case Phrase(tokens):
                return [place([one]) for one in said[tokens] if self._may_be(one.payload, conditions, narrowed)]
            case Or(parts):
                return any_of(*map(found, parts))
            case Within(left, right, ms):
                return near(found(left), found(right), ms)
            case Before(first, second, ms):
                return in_order(found(first), found(second), ms)
            case And(parts):
                conditions += tuple(part for part in parts if is_condition(part))
                wanted = [part for part in parts if not is_condition(part) and not isinstance(part, Not)]
                places = all_of([found(part) for part in wanted], AROUND_MS)
                for part in parts:
                    if isinstance(part, Not) and not is_condition(part):
                        unwanted = self._found(part.part, (), said, narrowed=False)
                        places = away_from(places, unwanted, AROUND_MS)
                return places
        raise AssertionError("the grammar lets nothing else be looked for")

    def _may_be(self, payload: Payload, conditions: Sequence[Expression], narrowed: bool) -> bool:
        return (not narrowed or passes(payload, self._filters)) and all(self._holds(one, payload) for one in conditions)

    def _holds(self, condition: Expression, payload: Payload) -> bool:
        match condition:
            case Field():
                return passes(payload, self._pattern.where[condition])
            case Not(part):
                return not self._holds(part, payload)
            case And(parts):
                return all(self._holds(part, payload) for part in parts)
            case Or(parts):
                return any(self._holds(part, payload) for part in parts)
        raise AssertionError("a condition is made of fields")


def _reach_ms(expression: Expression) -> int:
    """How far apart two phrases may be to have to do with each other."""
    own = 0
    if isinstance(expression, Within | Before):
        own = expression.ms
    elif isinstance(expression, And):
        own = AROUND_MS
    return max([own, *map(_reach_ms, parts_of(expression))])


def _as_one(found: Place) -> Occurrence:
    """A place as it is shown: the first passage, and after it what the others say."""
    if len(found.parts) == 1:
        return found.parts[0]
    words = tuple(dict.fromkeys(word for part in found.parts for word in part.said))  # a phrase's stay together
    speakers = {word.speaker for word in words}
    return replace(
        found.parts[0],
        start_ms=found.start_ms,
        end_ms=found.end_ms,
        across_speakers=len(speakers) > 1,
        beyond=_beyond(found.parts),
        doubts=tuple(doubt for doubt in DOUBTS if any(doubt in word.doubts for word in words)),
        said=words,
    )


def _beyond(parts: Sequence[Occurrence]) -> str:
    """The text after the first passage: of the others all, with a mark where something between is left out."""
    passages = {one.payload["ordinal"]: one.payload for one in parts}
    ends = {one.payload["ordinal"]: one.beyond for one in sorted(parts, key=lambda one: len(one.beyond))}
    texts: list[str] = []
    last: int | None = None
    for ordinal, payload in passages.items():
        if last is not None:
            if ordinal != last + 1:
                texts += [ends[last], "…"]
            texts.append(payload["text"])
        last = ordinal
    assert last is not None
    return " ".join(text for text in [*texts, ends[last]] if text)
