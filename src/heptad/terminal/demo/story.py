# SPDX-License-Identifier: Apache-2.0
"""The demo from beginning to end, printed as it goes."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad import __version__
from heptad.runtime import Platform
from heptad.standards.errors import Conflict, ContractError
from heptad.terminal import show
from heptad.terminal.commands.decisions import row
from heptad.terminal.demo import advice, attacks, bank, real
from heptad.terminal.demo.after import show_after
from heptad.terminal.demo.killing import killed
from heptad.terminal.demo.loans import show_loans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from heptad.catalog.loading import LoadReport
    from heptad.service.training import Trained

WIDTH = 38
LISTS = "recommend"
"""The application whose lists are made after the live day."""


def run_demo(folder: Path, *, seed: int = 7, size: int = 1, fetch: bool = False) -> bool:
    """Run the main job in a folder; a second run goes on with what is there.

    Args:
        folder: where the project is made.
        seed: another seed is another bank.
        size: times 5,000 customers.
        fetch: fetch the GPL-3 data sets too.

    Returns:
        Whether every attack failed, every decision replayed and every figure could be computed.

    Raises:
        Conflict: if the folder holds another bank.
    """
    start = time.monotonic()
    if not bank.fits(folder, seed=seed, size=size):
        raise Conflict(
            "The folder holds something else.",
            got=str(folder),
            do=f"remove it, or say another: make demo DEMO=demo-{seed} SEED={seed} SIZE={size}",
        )
    show.say(
        f"heptad {__version__}, embedded, {os.cpu_count()} cores; everything stays in {folder}/"
    )
    made = bank.make(folder, seed=seed, size=size)
    with Platform.open(folder) as platform, show.progress_bar(quiet=False) as progress:
        held = _bank_day(platform, made, seed, progress)
        example = platform.catalog.decisions.page(limit=1).entries[0].id[:6]
        held &= _advised(platform)
    held &= _real(folder, fetch=fetch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    show.say("")
    show.say(f" {_clock(time.monotonic() - start)} of work, peak {peak:.1f} GiB")
    command = os.path.relpath(Path(sys.executable).with_name("heptad"))
    for line, says in (
        (f"{command} -p {folder} explain {example}", "the numbers and versions behind it"),
        (f"{command} init my-data --from FILE", "from your CSV to a first decision"),
        (
            f"make demo DEMO=demo-{seed + 1} SEED={seed + 1}",
            "another bank; the attacks must still fail",
        ),
    ):
        show.say(f"   {line:<44} {says}")
    return held


def _clock(seconds: float) -> str:
    return (
        f"{int(seconds // 60)} min {int(seconds % 60)} s" if seconds >= 60 else f"{seconds:.0f} s"
    )


def _bank_day(
    platform: Platform,
    made: Any,
    seed: int,
    progress: Callable[[str, float], None] | None,
) -> bool:
    """The simulated bank: layers, three decisions, attacks."""
    show.say("")
    show.say(
        f"A BANK IN SEVEN LAYERS: simulated, seed {seed}. Proves the machinery, nothing about model quality."
    )
    begun = time.monotonic()
    reports = bank.load(platform, progress)
    _print_loads(platform, reports, time.monotonic() - begun)
    try:
        trained, why = bank.train(platform, made), ""
    except ContractError as error:
        # A bank of few customers has too few defaults; its applications are referred to people.
        trained, why = None, error.what
    _print_model(platform, trained, why)
    live = bank.live(platform, made, lambda s: progress("live day", s) if progress else None)
    decided = Counter[str]()
    for name in platform.apps:
        decided[name] = sum(platform.catalog.decisions.counts(name).values())
    parts = "   ".join(f"{name} {n:,}" for name, n in decided.items() if n and name != LISTS)
    _layer(7, "apps", f"{parts} decisions of the live day", f"{live.rows:,} rows arrived")
    _print_three(platform)
    held = _attacked(platform, seed, live.late_keys)
    show_after(platform)
    show_loans(platform, int(made.world.end))
    return held


def _layer(number: int, name: str, what: str, note: str = "") -> None:
    show.say(f" {number} {name:<9} {what:<60} {note}".rstrip())


def _print_loads(platform: Platform, reports: Iterable[LoadReport], seconds: float) -> None:
    """One line for each of the layers that a load goes through."""
    loads = platform.catalog.loads.recent(limit=10_000)
    reports = list(reports)
    given = {s.name for s in platform.project.sources}
    read = sum(x.counts.read for x in loads if x.source in given)
    _layer(1, "sources", _given(platform), f"{read:,} rows")
    reasons = Counter[str]()
    for x in loads:
        reasons.update(x.counts.quarantined)
    aside, twice = sum(reasons.values()), sum(x.counts.duplicates for x in loads)
    corrections = sum(x.counts.corrections for x in loads)
    _layer(
        2,
        "ingest",
        f"{aside:,} quarantined ({len(reasons)} reasons), {twice:,} duplicates dropped, {corrections:,} corrections",
        "heptad quarantine list",
    )
    names = platform.lake.names()
    files = [f for n in names for f in platform.lake.files(n)]
    new = f"{seconds:.0f} s" if any(r.accepted for r in reports) else "loaded before"
    _layer(
        3,
        "engine",
        f"{len(names)} tables, {sum(f.size for f in files) / 1e6:,.0f} MB, {sum(f.rows for f in files):,} row versions",
        new,
    )
    columns = sum(len(platform.table(n).fields) for n in names)
    _layer(
        4,
        "catalog",
        f"{columns} columns with lineage, {len(loads)} loads",
        "heptad lineage Payment.amount",
    )
    features = sum(len(a.features) for a in platform.apps.values())
    _layer(5, "service", f"{features} features, each read as of two times", "heptad features")


def _given(platform: Platform) -> str:
    """Say what the sources are."""
    origins = [s.origin for s in platform.project.sources]
    held = sum("://" in origin for origin in origins)
    files = sum(len(list(platform.path.glob(o))) for o in origins if "://" not in o)
    return f"{files} files, {held} tables of a database, 1 stream"


def _print_model(platform: Platform, trained: Trained | None, why: str) -> None:
    """The line of layer 6."""
    model = platform.catalog.models.champion("credit")
    if model is None:
        _layer(6, "analysis", f"no scorecard yet: {why}", "credit refers to people")
        return
    auc = model.metrics["ours"]["auc"]
    what = f"scorecard {model.title}: AUC {auc['value']:.3f} [{auc['low']:.3f} {auc['high']:.3f}] on later applications"
    _layer(6, "analysis", what, "trained now" if trained else "trained before")


def _print_three(platform: Platform) -> None:
    """Three decisions with their reasons."""
    show.say("")
    show.say("THREE OF THEM")
    wanted = [("fraud", "hold"), ("credit", "offer"), ("credit", "decline"), ("fraud", "challenge"),
              ("credit", "refer"), ("credit", "approve"), ("fraud", "approve")]  # fmt: skip
    printed = 0
    for app, outcome in wanted:
        page = platform.catalog.decisions.page(app=app, outcome=outcome, limit=1)
        for entry in platform.log.stored(e.id for e in page.entries).values():
            line = row(platform, entry)
            show.say(
                f" {line['app']:<7} {line['id'][:6]}  {line['when']}  {line['outcome'].upper():<9} {line['why']}"
            )
            printed += 1
        if printed == 3:
            return


def _attacked(platform: Platform, seed: int, late_keys: list[str]) -> bool:
    """Run the attacks and print what they met."""
    show.say("")
    show.say("WE ATTACKED IT WHILE YOU WAITED")
    done = [attacks.peek(platform), attacks.flip(platform, seed), attacks.late(platform, late_keys)]
    last, _ = attacks.replayed(platform)
    done += [last, killed(platform, seed), attacks.erased(platform)]
    for attack in done:
        show.say(f" {attack.what:<{WIDTH}} {attack.answer}")
    show.say(f" {'digest of all decisions':<{WIDTH}} {_digest(platform)[:32]}")
    return all(attack.held for attack in done)


def _digest(platform: Platform) -> str:
    """Return one hash over the canonical bytes of the live day's decisions, in log order.

    Lists that are made afterwards say how long they took, and are left out.
    """
    import hashlib

    digest = hashlib.sha256()
    for entry in platform.log.entries():
        if entry.decision is not None and entry.decision.app != LISTS:
            digest.update(entry.decision.to_bytes())
    return digest.hexdigest()


def _advised(platform: Platform) -> bool:
    """Lists of funds for simulated customers, in the same project."""
    show.say("")
    show.say("RECOMMENDED, AND WHAT WAS LEFT OUT")
    held = True
    for line in advice.funds(platform):
        show.say(f" {line.what:<{WIDTH}} {line.answer}")
        held &= line.held
    return held


def _real(folder: Path, *, fetch: bool) -> bool:
    """The rows on real data."""
    show.say("")
    show.say("ON REAL DATA")
    held = True
    for line in real.rows(folder / "real", fetch=fetch):
        show.say(f" {line.what:<{WIDTH}} {line.answer}")
        held &= line.held
    return held
