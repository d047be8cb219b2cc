# SPDX-License-Identifier: Apache-2.0
"""Published sets that a user has at home, written as files of a project: films, sequences, funds.

Nothing is shipped or fetched: the user gives the files. `python -m heptad.apps.recommend.published
movielens FOLDER PROJECT` writes a project that `heptad load` reads.

MovieLens may be used for research only and is not passed on (Harper, Konstan, The MovieLens
datasets, 2015). FAR-Trans is CC BY 4.0 (Sanz-Cruzado, Droukas, McCreadie, FAR-Trans, 2024).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
LIKED = 4.0
"""Stars from which on a rating says that a film was liked."""
START = "1970-01-01T00:00:00Z"
RISKS = {"Conservative": "R1", "Income": "R2", "Balanced": "R3", "Aggressive": "R5"}
"""FAR-Trans's risk levels as answered; a predicted one is no answer and gives no profile."""
KINDS = {"Bond": "R1", "MTF": "R3", "Stock": "R5"}
"""FAR-Trans's kinds of assets as risk classes: an assumption, for its files name none."""


@dataclass(frozen=True)
class Published:
    """One published set as rows of tables, each read once.

    Attributes:
        items: rows of `Item`.
        acts: rows of `Interaction`.
        answers: rows of `Questionnaire`.
    """

    items: Iterable[dict[str, Any]]
    acts: Iterable[dict[str, Any]]
    answers: Iterable[dict[str, Any]] = ()


def movielens(folder: Path) -> Published:
    """Read MovieLens of any size: ratings.dat and movies.dat, or ratings.csv and movies.csv, or u.data.

    A file movielens.csv, as R's dslabs has it, is read too. Ratings of 4 stars and more are acts.

    Raises:
        InputError: if none of them is there, or a line is not as it must be.
    """
    for name, read in _FILMS.items():
        if (folder / name).exists():
            return read(folder)
    raise InputError(
        "No MovieLens files are there.", got=str(folder), do=f"give one of {list(_FILMS)}"
    )


def _dat(folder: Path) -> Published:
    films = (line.split("::") for line in _lines(folder / "movies.dat", "latin-1"))
    rated = (line.split("::") for line in _lines(folder / "ratings.dat", "latin-1"))
    return Published((_film(*f[:3]) for f in films), _rated(r[:4] for r in rated))


def _csvs(folder: Path) -> Published:
    films = (_film(r["movieId"], r["title"], r["genres"]) for r in _rows(folder / "movies.csv"))
    rated = (
        (r["userId"], r["movieId"], r["rating"], r["timestamp"])
        for r in _rows(folder / "ratings.csv")
    )
    return Published(films, _rated(rated))


def _hundred(folder: Path) -> Published:
    genres = [line.split("|")[0] for line in _lines(folder / "u.genre", "latin-1")]
    films = (line.split("|") for line in _lines(folder / "u.item", "latin-1"))
    shown = (
        _film(
            f[0], f[1], "|".join(g for g, flag in zip(genres, f[5:], strict=False) if flag == "1")
        )
        for f in films
    )
    return Published(
        shown, _rated(line.split("\t") for line in _lines(folder / "u.data", "latin-1"))
    )


def _dslabs(folder: Path) -> Published:
    rows = list(_rows(folder / "movielens.csv"))
    films = {
        r["movieId"]: _film(r["movieId"], f"{r['title']} ({_year(r['year'])})", r["genres"])
        for r in rows
    }
    return Published(
        films.values(),
        _rated((r["userId"], r["movieId"], r["rating"], r["timestamp"]) for r in rows),
    )


def _year(text: str) -> str:
    return text.partition(".")[0]


_FILMS: dict[str, Callable[[Path], Published]] = {
    "ratings.dat": _dat, "ratings.csv": _csvs, "u.data": _hundred, "movielens.csv": _dslabs,
}  # fmt: skip


def _film(key: str, title: str, genres: str) -> dict[str, Any]:
    year = YEAR.search(title)
    row = {"id": key, "event_time": START, "catalogue": "films", "title": YEAR.sub("", title) or title,
           "categories": "" if genres.startswith("(no") else genres}  # fmt: skip
    return row | ({"number": year.group(1)} if year else {})


def _rated(rows: Iterable[Sequence[str]]) -> Iterator[dict[str, Any]]:
    for n, (who, film, stars, at) in enumerate(rows, 1):
        try:
            liked, when = float(stars) >= LIKED, datetime.fromtimestamp(int(float(at)), UTC)
        except (ValueError, OverflowError) as error:
            raise InputError(
                "A rating is not as it must be.", got=[who, film, stars, at], place=f"rating {n}"
            ) from error
        if liked:
            yield {"id": f"r{n}", "event_time": when.isoformat(), "customer": who, "item": film,
                   "action": "rate"}  # fmt: skip


def sequences(path: Path) -> Published:
    """Read a file with a user and the items in their order on each line; the order stands for time.

    Raises:
        InputError: if a line has no user.
    """
    acts: list[dict[str, Any]] = []
    for n, line in enumerate(_lines(path, "utf-8"), 1):
        who, *items = line.split()
        acts += [
            {"id": f"s{n}-{k}", "event_time": datetime.fromtimestamp(k * 60, UTC).isoformat(),
             "customer": who, "item": item, "action": "purchase"} for k, item in enumerate(items)
        ]  # fmt: skip
    items_of = dict.fromkeys(act["item"] for act in acts)
    shown = ({"id": i, "event_time": START, "catalogue": "items", "title": i} for i in items_of)
    return Published(shown, acts)


def far_trans(folder: Path) -> Published:
    """Read FAR-Trans: assets, the answers of customers, and transactions where the user has them."""
    assets = {r["ISIN"]: _asset(r) for r in _rows(folder / "asset_information.csv")}
    limits = {r["ISIN"]: r["profitability"] for r in _rows(folder / "limit_prices.csv")}
    items = (row | _value(limits.get(key)) for key, row in assets.items())
    bought = folder / "transactions.csv"
    acts = (
        {"id": f"t{n}", "event_time": f"{r['timestamp'][:10]}T12:00:00Z", "customer": r["customerID"],
         "item": r["ISIN"], "action": "purchase"}
        for n, r in enumerate(_rows(bought), 1) if r["transactionType"] == "Buy"
    ) if bought.exists() else ()  # fmt: skip
    return Published(items, acts, _answers(_rows(_either(folder / "customer_information.csv"))))


def _asset(row: dict[str, str]) -> dict[str, Any]:
    parts = [row["assetCategory"], row["assetSubCategory"], row["sector"]]
    return {"id": row["ISIN"], "event_time": START, "catalogue": "funds", "title": row["assetName"],
            "categories": "|".join(p for p in parts if p), "risk": KINDS.get(row["assetCategory"], "R5")}  # fmt: skip


def _value(profit: str | None) -> dict[str, Any]:
    """The past return over nearly five years, as a year's."""
    try:
        return {} if not profit else {"value": f"{(1 + float(profit)) ** 0.2 - 1:.6f}"}
    except (ValueError, TypeError):
        return {}


def _answers(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        who, on = row["customerID"], row["lastQuestionnaireDate"]
        if row["riskLevel"] not in RISKS or not on or (who, on) in seen:
            continue
        seen.add((who, on))
        yield {"id": f"q-{who}-{on}", "event_time": f"{on}T12:00:00Z", "customer": who,
               "profile": RISKS[row["riskLevel"]]}  # fmt: skip


def _either(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.exists() else path


def _lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding) as handle:
        yield from (line.rstrip("\r\n") for line in handle if line.strip())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as packed:
            yield from csv.DictReader(packed)
        return
    with path.open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


READS: dict[str, Callable[[Path], Published]] = {
    "movielens": movielens, "sequences": sequences, "far-trans": far_trans,
}  # fmt: skip
COLUMNS = {
    "Item": ("id", "event_time", "catalogue", "title", "categories", "number", "value", "risk"),
    "Interaction": ("id", "event_time", "customer", "item", "action"),
    "Questionnaire": ("id", "event_time", "customer", "profile"),
}  # fmt: skip


def write_project(
    found: Published, folder: Path, *, agreed: bool = False, most: int | None = None
) -> dict[str, int]:
    """Write a set as CSV files of a new project.

    Args:
        found: the set.
        folder: of the project; it must hold no heptad.toml.
        agreed: write for everybody that they agreed to their behaviour being read, as those who
            published their ratings did.
        most: most rows of Interaction.

    Returns:
        Table → rows written.

    Raises:
        InputError: if there is a project already.
    """
    if (folder / "heptad.toml").exists():
        raise InputError("There is a project already.", got=str(folder), do="name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    text, counts = '[project]\nname = "recommend"\n', {}
    people: dict[str, None] = {}
    acts = (people.setdefault(a["customer"]) or a for a in islice(found.acts, most))
    for table, rows in (
        ("Item", found.items),
        ("Interaction", acts),
        ("Questionnaire", found.answers),
    ):
        counts[table] = _write(folder / f"{table}.csv", COLUMNS[table], rows)
        if counts[table]:
            text += (
                f'\n[[source]]\nname = "{table.lower()}"\ntable = "{table}"\nfrom = "{table}.csv"\n'
            )
    if agreed:
        given = ({"id": f"k-{p}", "event_time": START, "customer": p, "purpose": "advice",
                  "scope": "all", "mode": "direct", "status": "active"} for p in people)  # fmt: skip
        columns = ("id", "event_time", "customer", "purpose", "scope", "mode", "status")
        counts["Consent"] = _write(folder / "Consent.csv", columns, given)
        text += '\n[[source]]\nname = "consent"\ntable = "Consent"\nfrom = "Consent.csv"\n'
    (folder / "heptad.toml").write_text(text, encoding="utf-8")
    return counts


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> int:
    n = 0
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        for n, row in enumerate(rows, 1):  # noqa: B007 - counted
            writer.writerow(row)
    return n


def frequent(found: Published, fewest: int) -> Published:
    """Return a set with the items that have so many acts; all acts stay."""
    acts = list(found.acts)
    met = Counter(act["item"] for act in acts)
    return Published([row for row in found.items if met[row["id"]] >= fewest], acts, found.answers)


def main() -> None:
    """Write a project from the files of a published set."""
    parser = argparse.ArgumentParser(
        prog="python -m heptad.apps.recommend.published", description=__doc__
    )
    parser.add_argument("kind", help=", ".join(READS))
    parser.add_argument("path", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument(
        "--agreed", action="store_true", help="everybody agreed to the use of their acts"
    )
    parser.add_argument("--fewest", type=int, default=0, help="acts that an item has at least")
    given = parser.parse_args()
    if given.kind not in READS:
        raise UnknownName(
            f"There is no set {given.kind!r}.", got=given.kind, do=suggest(given.kind, READS)
        )
    found = READS[given.kind](given.path)
    if given.fewest:
        found = frequent(found, given.fewest)
    counts = write_project(found, given.project, agreed=given.agreed)
    print(", ".join(f"{n:,} rows of {table}" for table, n in counts.items()))  # noqa: T201


if __name__ == "__main__":
    main()
