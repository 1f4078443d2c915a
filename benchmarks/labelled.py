"""What a search is asked in benchmarks: the data sets that were given, as archives with labelled questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.archives import Archive
from benchmarks.corpus import Corpus, CorpusWrong, LabelledQuery, read_corpus
from benchmarks.patrol import corpus_archive, heard_transcripts, joined, own_queries, reference_transcript
from benchmarks.qmsum import Meeting, meeting_transcripts, qmsum_archive, read_qmsum
from benchmarks.scripted import exact_queries, name_queries
from benchmarks.spoken_squad import Level, read_spoken_squad, squad_archive, squad_transcripts
from benchmarks.terms import Term, find_terms
from transcribe.transcript import Transcript

QUERIES_PER_KIND = 60  # the scripts write exact and name queries up to here
AS_HEARD, AS_LABELLED = "as heard", "as labelled"


@dataclass(frozen=True)
class Labelled:
    """Each of the three may be missing.

    data: a data folder that heard the corpus; None: it is ingested when transcripts are asked for.
    files: queries of the corpus besides its own; empty: those of this repository, where they are about it.
    """

    levels: Sequence[Level]
    meetings: Sequence[Meeting]
    corpus: Corpus | None
    data: Path | None
    files: Sequence[Path]

    @classmethod
    def read(
        cls, squad: Path | None, qmsum: Path | None, folder: Path | None, data: Path | None, files: Sequence[Path]
    ) -> Labelled:
        """
        Raises:
            CorpusWrong, DataWrong
        """
        corpus = read_corpus(folder) if folder else None
        if corpus and not corpus.patrol:
            raise CorpusWrong(folder or Path(), "it holds no patrol/*.json")
        levels = read_spoken_squad(squad) if squad else []
        return cls(levels, read_qmsum(qmsum) if qmsum else [], corpus, data, files)

    @cached_property
    def distractors(self) -> list[Transcript]:
        """Text that has nothing to do with the corpus, to be indexed beside it."""
        squad = squad_transcripts(self.levels[0]) if self.levels else []
        return [*squad, *meeting_transcripts(list(self.meetings))]

    @cached_property
    def terms(self) -> list[Term]:
        """Names, plates, streets and numbers of the corpus."""
        return list(find_terms(self.corpus.patrol)) if self.corpus else []

    def squads(self) -> list[Archive]:
        """Spoken-SQuAD, a level each."""
        return [squad_archive(level) for level in self.levels]

    def qmsum(self) -> list[Archive]:
        """QMSum, or nothing."""
        return [qmsum_archive(list(self.meetings))] if self.meetings else []

    def queries(self) -> list[LabelledQuery]:
        """Those of the corpus, those of the files, and scripted ones."""
        if self.corpus is None:
            return []
        written = joined(self.corpus.queries, own_queries(self.corpus, self.files))
        asked = {kind: [query.text for query in written if query.kind == kind] for kind in ("exact", "name")}
        missing = {kind: max(0, QUERIES_PER_KIND - len(texts)) for kind, texts in asked.items()}
        return joined(
            written,
            exact_queries(self.corpus.patrol, missing["exact"]),
            name_queries(self.terms, missing["name"], asked["name"]),
        )

    def as_heard(self, work: Path, threads: int) -> Archive:
        """The corpus in our transcripts, among the distractors. `work`: an empty folder.

        Raises:
            ProcessFailed
        """
        assert self.corpus is not None
        transcripts = heard_transcripts(self.corpus, self.data, work, threads)
        return corpus_archive(AS_HEARD, self.corpus, transcripts, self.distractors, self.queries())

    def as_labelled(self) -> Archive:
        """The corpus as its labels say it, among the distractors."""
        assert self.corpus is not None
        transcripts = [reference_transcript(one) for one in self.corpus.patrol]
        return corpus_archive(AS_LABELLED, self.corpus, transcripts, self.distractors, self.queries())
