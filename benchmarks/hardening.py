"""What an archive survives, with real faults: `python -m benchmarks.hardening --report FILE.md`.

Takes about half an hour on two cores, most of it for the 300 recordings; mounts need root.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.faults import (
    FaultUnavailable,
    cut_clips,
    earwitness,
    fill,
    locked,
    read_only,
    resident_kb,
    small_disk,
    some_clips,
)
from benchmarks.machine import ROOT, describe
from service.catalog import Catalog, SourceSeen, Stage, new_owner
from service.settings import load_settings

DAY_SECONDS = 86_400.0
GROWTH = 0.05  # resident memory, from the 50th to the last recording
EARLY = 50
N_KILLED = 60  # recordings
HEARD = re.compile(r"^(\d+)/\d+ heard")


@dataclass(frozen=True, slots=True)
class Bench:
    folder: Path
    clips: Path
    asr_model: str
    seed: int
    n_kills: int

    def ingest(self, data: Path, media: Path) -> tuple[str | Path, ...]:
        return ("ingest", media, "--asr-model", self.asr_model, "--json")


@dataclass(frozen=True, slots=True)
class Outcome:
    held: bool
    says: str


def many_recordings(bench: Bench) -> Outcome:
    """300 distinct recordings of 6 s in one run"""
    data, samples = bench.folder / "many", dict[int, int]()

    def sample(pid: int, line: str) -> bool:
        if heard := HEARD.match(line):
            samples[int(heard[1])] = resident_kb(pid)
        return False

    ended = earwitness(data, *bench.ingest(data, bench.clips), watch=sample)
    n_clips = len(list(bench.clips.iterdir()))
    early, late = samples.get(EARLY, 0), samples.get(n_clips, 0)
    growth = late / early - 1 if early else 1.0
    whole = ended.code == 0 and ended.json["recordings"]["done"] == n_clips and _is_whole(data, n_clips)
    curve = ", ".join(f"{n}: {samples[n] // 1024}" for n in sorted(samples) if n % EARLY == 0)
    return Outcome(
        whole and growth <= GROWTH,
        f"exit {ended.code}; resident memory grows {growth:+.1%} from recording {EARLY} to {n_clips} "
        f"(MiB at each: {curve}); {_verified(data)}",
    )


def two_at_once(bench: Bench) -> Outcome:
    """two ingests of the same 40 recordings at once"""
    data, media = bench.folder / "two", some_clips(bench.clips, bench.folder / "two media", 40)
    ended = []
    runs = [
        threading.Thread(target=lambda: ended.append(earwitness(data, *bench.ingest(data, media)))) for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    done = [one.json["recordings"]["done"] for one in ended if one.code == 0]
    held = [one.code for one in ended] == [0, 0] and sum(done) == 40 and _is_whole(data, 40)
    return Outcome(held, f"exits {[one.code for one in ended]}; heard {done} of 40, none twice; {_verified(data)}")


def kills(bench: Bench) -> Outcome:
    """kill -9 at random moments, then one run that is left alone"""
    data, media = bench.folder / "kills", some_clips(bench.clips, bench.folder / "kills media", N_KILLED)
    chance, finished, n_lost = random.Random(bench.seed), dict[str, int](), 0
    for _ in range(bench.n_kills):
        # Some at once, while models load; most after a few recordings; each a moment after what the line said.
        n_before, delay = chance.choice((0, 1, 1, 2, 3)), chance.uniform(0.0, 4.0)

        def strike(_pid: int, line: str, n_before: int = n_before, delay: float = delay) -> bool:
            if not line.startswith(f"{n_before}/" if n_before else f"{N_KILLED} found"):
                return False
            threading.Event().wait(delay)
            return True

        earwitness(data, *bench.ingest(data, media), watch=strike)
        before, finished = finished, _written(data)
        n_lost += len(before.items() - finished.items())
    ended = earwitness(data, *bench.ingest(data, media))
    n_lost += len(finished.items() - _written(data).items())
    counts = ended.json["recordings"] if ended.code in (0, 3) else {}
    held = ended.code == 0 and not n_lost and _is_whole(data, N_KILLED)
    return Outcome(
        held,
        f"{bench.n_kills} kills (seed {bench.seed}): {len(finished)} of {N_KILLED} were finished before the last run, "
        f"{n_lost} of them lost or heard again; the last run: exit {ended.code}, {counts}; {_verified(data)}",
    )


def full_from_the_start(bench: Bench) -> Outcome:
    """a disk of 64 MB"""
    media = some_clips(bench.clips, bench.folder / "small media", 4)
    with small_disk(bench.folder / "small disk", 64) as disk:
        ended = earwitness(disk / "data", *bench.ingest(disk, media))
        return Outcome(ended.code == 1 and ended.err.count("\n") == 1, f"exit {ended.code}: {ended.last_line}")


def full_on_the_way(bench: Bench) -> Outcome:
    """a disk that fills once the third of 12 recordings is heard, and then has room again"""
    media = some_clips(bench.clips, bench.folder / "full media", 12)
    with small_disk(bench.folder / "full disk", 600) as disk:

        def fill_it(_pid: int, line: str) -> bool:
            if line.startswith("3/"):
                fill(disk)
            return False

        ended = earwitness(disk / "data", *bench.ingest(disk, media), watch=fill_it)
        (disk / "ballast").unlink()
        kept = _written(disk / "data")
        again = earwitness(disk / "data", *bench.ingest(disk, media))
        lost = kept.items() - _written(disk / "data").items()
        clear = ended.code in (1, 3) and "Traceback" not in ended.err
        held = clear and again.code == 0 and not lost and _is_whole(disk / "data", 12)
        return Outcome(
            held,
            f"exit {ended.code}: {ended.last_line} With room again: exit {again.code}, {len(kept)} kept, "
            f"{len(lost)} lost; {_verified(disk / 'data')}",
        )


def closed_folder(bench: Bench) -> Outcome:
    """a data folder mounted read-only"""
    media, data = some_clips(bench.clips, bench.folder / "closed media", 2), bench.folder / "closed"
    first = earwitness(data, *bench.ingest(data, media))
    with read_only(data, bench.folder / "closed mount") as closed:
        ended = earwitness(closed, *bench.ingest(closed, media))
    held = first.code == 0 and ended.code == 1 and ended.err.count("\n") == 1
    return Outcome(held, f"exit {ended.code}: {ended.last_line}")


def clock_set_back(bench: Bench) -> Outcome:
    """the clock set back a day while a dead process holds a claim"""
    url = load_settings(data=bench.folder / "clock").catalog
    (bench.folder / "clock").mkdir()
    with Catalog.open(url) as catalog:
        catalog.register([SourceSeen("/footage/a.mp4", 1, "1")])
    code = (
        "import sys; from service.catalog import Catalog, Stage, new_owner; "
        "assert Catalog.open(sys.argv[1]).claim(new_owner(), {Stage.WORDS: 'w'}, 1)"
    )
    subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True)
    with Catalog.open(url, lambda: time.time() - DAY_SECONDS) as catalog:
        owner = new_owner()
        claimed = catalog.claim(owner, {Stage.WORDS: "w"}, 1)
        kept = catalog.heartbeat(owner)
    return Outcome(
        len(claimed) == kept == 1,
        f"{len(claimed)} of 1 claims of the dead process taken over at once; {kept} lease kept by a heartbeat",
    )


def locked_catalog(bench: Bench) -> Outcome:
    """the catalog locked for 20 s by another process"""
    media, data = some_clips(bench.clips, bench.folder / "locked media", 2), bench.folder / "locked"
    earwitness(data, *bench.ingest(data, media))
    more = some_clips(bench.clips, bench.folder / "locked more", 4)
    started = time.monotonic()
    runs = []
    with locked(data / "catalog.sqlite", 20.0):
        run = threading.Thread(target=lambda: runs.append(earwitness(data, *bench.ingest(data, more))))
        run.start()
        run.join(20.0)
        waited = run.is_alive()
    run.join()
    held = waited and runs[0].code == 0 and _is_whole(data, 4)
    return Outcome(held, f"exit {runs[0].code} after {time.monotonic() - started:.0f} s; {_verified(data)}")


SCENARIOS: tuple[Callable[[Bench], Outcome], ...] = (
    many_recordings,
    two_at_once,
    kills,
    full_from_the_start,
    full_on_the_way,
    closed_folder,
    clock_set_back,
    locked_catalog,
)


def _written(data: Path) -> dict[str, int]:
    """The words files of every recording whose words the catalog calls done, with when each was written."""
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        keys = [row.stages[Stage.WORDS].artifact for row in catalog.recordings()]
    return {key: (data / "transcripts" / key).stat().st_mtime_ns for key in keys if key}


def _is_whole(data: Path, n_recordings: int) -> bool:
    found = earwitness(data, "index", "verify", "--json")
    return found.code == 0 and (found.json["recordings"], found.json["waiting"]) == (n_recordings, 0)


def _verified(data: Path) -> str:
    return "`index verify`: " + (earwitness(data, "index", "verify").out.strip().splitlines() or ["no answer"])[-1]


@click.command()
@click.option("--report", type=click.Path(path_type=Path), required=True, help="Markdown file to write.")
@click.option("--asr-model", default="whisper-tiny.en", show_default=True, help="Speech model; a small one is quick.")
@click.option(
    "--footage", type=click.Path(path_type=Path), default=ROOT / "tests" / "footage", help="What clips are cut from."
)
@click.option("--recordings", default=300, show_default=True, help="Clips of the long run.")
@click.option("--kills", "n_kills", default=20, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([one.__name__ for one in SCENARIOS]), help="Only these.")
def main(
    report: Path, asr_model: str, footage: Path, recordings: int, n_kills: int, seed: int, only: tuple[str, ...]
) -> None:
    """Do real harm to real archives, and write down what happens. Exit code 1 when a promise is broken."""
    machine = (facts := describe(threads=0))["machine"]
    report.parent.mkdir(parents=True, exist_ok=True)
    head = (
        "# Hardening\n\n"
        f"`python -m benchmarks.hardening`, {recordings} clips, speech model {asr_model}, seed {seed}"
        f"{', only ' + ', '.join(only) if only else ''}; {machine['system']}, {machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load_at_start']} at the start, Python {machine['python']}; "
        f"commit {facts['commit']}{' with changes' if facts['changed_since_commit'] else ''}; "
        f"qdrant-edge-py {facts['versions']['qdrant-edge-py']}."
        "\n\n| fault | promise | what happened | seconds |\n|---|---|---|---|\n"
    )
    lines, broken = [], 0
    with tempfile.TemporaryDirectory(prefix="hardening-") as folder:
        bench = Bench(Path(folder), cut_clips(footage, Path(folder) / "clips", recordings), asr_model, seed, n_kills)
        for scenario in SCENARIOS:
            if only and scenario.__name__ not in only:
                continue
            started = time.monotonic()
            try:
                outcome = scenario(bench)
                verdict = "holds" if outcome.held else "BROKEN"
                broken += not outcome.held
            except FaultUnavailable as error:
                outcome, verdict = Outcome(False, str(error)), "not tried"
            row = f"| {scenario.__doc__} | {verdict} | {outcome.says} | {time.monotonic() - started:.0f} |"
            click.echo(row)
            lines.append(row.replace(folder, "…"))
            # After each: a run that is stopped on the way keeps what it found.
            report.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
