# SPDX-License-Identifier: Apache-2.0
"""The stores of a project, each as what it holds of a person and how it lets go of it."""

from __future__ import annotations

from os.path import relpath
from typing import TYPE_CHECKING

from heptad.engine.sql.identifiers import quote
from heptad.security.erasure import Holding
from heptad.security.sealing import open_sealed, subject_names
from heptad.service.stream.cold import PREFIX
from heptad.standards.fields import Ref, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from heptad.catalog import Catalog
    from heptad.catalog.loading import Loading
    from heptad.catalog.pending import Pending
    from heptad.security.access import AccessLog
    from heptad.security.erasure import Person
    from heptad.security.keys import Keys
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores
    from heptad.standards import Field, Table

PART = b"\x1f"
"""Between the parts of an online row's key."""
SEALED = "unreadable once the key is gone, in every version and copy"
TOKENS = "what was done, under a number that only the source system resolves"


class TablesHolder:
    """The tables: rows about a person, whose personal values are sealed under their key.

    Args:
        tables: the declared tables, by name.
        loading: knows which of them are stored.
        reads: runs the queries.
        keys: opens sealed values.
    """

    name, covers = "tables", ("tables/*",)
    lets_go = True

    def __init__(
        self, tables: Mapping[str, type[Table]], loading: Loading, reads: Reads, keys: Keys
    ) -> None:
        self._tables, self._loading, self._reads, self._keys = tables, loading, reads, keys

    def held(self, person: Person) -> list[Holding]:
        """Count the rows that are about a person, or name them."""
        found = []
        for table, relation in self._stored():
            for field in naming(table, person.type):
                sql = f"SELECT count(*) AS n FROM {relation} WHERE {quote(field.name)} = ?"
                n = self._reads.queries.arrow(sql, [person.key]).column("n")[0].as_py()
                if n:
                    sealed = field.subject and table.sealed()
                    what = f"row versions of {table.__name__} by {field.name}"
                    found.append(
                        Holding(self.name, what, n, "sealed", SEALED)
                        if sealed
                        else Holding(self.name, what, n, "kept", TOKENS)
                    )
        return found

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - their key does it
        """Change nothing: the sealed cells are in files that are never changed."""
        return 0

    def values(self, kind: str, key: str) -> frozenset[str]:
        """Open the personal texts that the tables hold of a person; none once the key is gone."""
        found: set[str] = set()
        for table, relation in self._stored():
            who = table.subject
            texts = [f for f in table.sealed() if isinstance(f, Text)]
            if who is None or table.subject_type() != kind or not texts:
                continue
            columns = ", ".join(quote(f.name) for f in (who, *texts))
            sql = f"SELECT {columns} FROM {relation} WHERE {quote(who.name)} = ?"
            rows = self._reads.queries.arrow(sql, [key])
            subjects = subject_names(table, rows.column(who.name))
            for field in texts:
                cells = rows.column(field.name)
                opened = open_sealed(cells, subjects, self._keys, table.__name__, field.name)
                found.update(value for value in opened.values.to_pylist() if value)
        return frozenset(found)

    def _stored(self) -> Iterator[tuple[type[Table], str]]:
        """Yield the tables that hold rows, and where."""
        for table in self._tables.values():
            relation = self._loading.stored(table)
            if relation is not None:
                yield table, relation


class LogHolder:
    """The decision log: each decision's body is sealed under the key of whom it is about."""

    name, covers = "decision log", ("log/decisions/*",)
    lets_go = True

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def held(self, person: Person) -> list[Holding]:
        """Count decisions."""
        n = self._catalog.erasures.decisions(person.subject)
        why = "values and row become unreadable; id, outcome and reason codes account for our acts"
        return [Holding(self.name, "decisions", n, "sealed", why)] if n else []

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - their key does it
        """Change nothing: not a byte of the log may change, or it would no longer verify."""
        return 0


class AccessHolder:
    """The access log: who read about a person, kept to account for it, whoever it was about."""

    name, covers = "access log", ("log/access/*",)
    lets_go = False

    def __init__(self, access: AccessLog) -> None:
        self._access = access

    def held(self, person: Person) -> list[Holding]:
        """Count records of reads about the person."""
        entries = self._access.entries(subject=person.subject, limit=len(self._access))
        n = sum(self._access.named(entry.record, person.subject) for entry in entries)
        why = "accounts for who read what; names the person by a keyed hash, and no value"
        return [Holding(self.name, "records of reads", n, "kept", why)] if n else []

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - must be accounted for
        """Change nothing: not a byte of the log may change, or it would no longer verify."""
        return 0


class RowsHolder:
    """The row store: rows whose key is, or begins or ends with, the person's.

    Args:
        stores: the project's; a row store that is not there is not made.
    """

    name, covers = "rows", ("rows/*",)
    lets_go = True

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def held(self, person: Person) -> list[Holding]:
        """Count rows."""
        n = sum(1 for _ in self._found([person]))
        return [Holding(self.name, "online rows", n, "removed")] if n else []

    def erase(self, people: Sequence[Person]) -> int:
        """Remove rows, and write the files anew in which they still lie."""
        found = list(self._found(people))
        for table, row in found:
            self._stores.rows.delete(table, row)
        streams = self._streams() if people else []
        for table in streams:
            # What a stream has laid there is made anew from the tables.
            self._stores.rows.drop(table)
        if streams:
            self._stores.streams_dropped()
        if found or streams or (people and self._stores.streams_left):
            self._stores.purge_rows()
        return len(found)

    def _streams(self) -> list[str]:
        if not (self._stores.path / "rows" / "CURRENT").exists():
            return []
        return [table for table in self._stores.rows.tables() if table.startswith(PREFIX)]

    def _found(self, people: Sequence[Person]) -> Iterator[tuple[str, bytes]]:
        if not (self._stores.path / "rows" / "CURRENT").exists():
            return
        rows = self._stores.rows
        keys = {name.encode() for p in people for name in (p.key, p.subject)}
        for table in set(rows.tables()) - set(self._streams()):
            yield from ((table, key) for key in sorted(keys) if rows.get(table, key))
            if "_x_" in table:
                # A key of several parts, of which any may be the person's.
                yield from ((table, row) for row, _ in rows.scan(table)
                            if not keys.isdisjoint(row.split(PART)))  # fmt: skip


class CatalogHolder:
    """The catalog: profiles, notes and errors, in which a personal value may have been caught."""

    name, covers = "catalog", ("catalog.sqlite*",)
    lets_go = True

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def held(self, person: Person) -> list[Holding]:
        """Count values that quote the person."""
        n = self._catalog.blanking.count(_words(person))
        what = "profiles, notes or errors that quote a personal value"
        return [Holding(self.name, what, n, "removed")] if n else []

    def erase(self, people: Sequence[Person]) -> int:
        """Blank those values, and leave no byte of them in the database's files."""
        words = sorted({word for person in people for word in _words(person)})
        gone = self._catalog.blanking.blank(words)
        if gone:
            self._catalog.store.purge()
        return gone


class ModelsHolder:
    """The models: numbers learnt from what many people did; none of them says who anyone is."""

    name, covers = "models", ("models/*",)
    lets_go = False

    def __init__(self, catalog: Catalog, tables: TablesHolder) -> None:
        self._catalog, self._tables = catalog, tables

    def held(self, person: Person) -> list[Holding]:
        """Count models that were trained on tables in which the person is."""
        named = {h.what.split(" ")[3] for h in self._tables.held(person)}
        models = self._catalog.models.recent(limit=10_000)
        n = sum(bool(named & set(model.versions)) for model in models)
        why = "weights learnt from many; a model trained from now on still learns from the tokens"
        return [Holding(self.name, "models trained on such tables", n, "kept", why)] if n else []

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - nothing is personal
        """Change nothing."""
        return 0


class SourcesHolder:
    """The institution's own files, wherever they lie, as far as they were loaded."""

    name = "sources"
    lets_go = False

    def __init__(self, folder: Path, origins: Sequence[str], held: TablesHolder) -> None:
        self._tables = held
        # As told from the folder, also where a source is named by its whole path.
        near = [relpath(folder / o, folder) for o in origins if "://" not in o]
        self.covers = ("heptad.toml", *near)
        self._folder = folder

    def held(self, person: Person) -> list[Holding]:
        """Count the files of sources, if the person came out of any."""
        files = {p for pattern in self.covers[1:] for p in self._folder.glob(pattern)}
        if not files or not self._tables.held(person):
            return []
        why = "your own exports: take the person out of them, or remove them"
        return [Holding(self.name, "files of sources", len(files), "yours", why)]

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - they are not ours
        """Change nothing."""
        return 0


class IntakeHolder:
    """The journal: rows that were answered and are not in their tables yet, stored as there.

    Args:
        pending: the rows that wait.
    """

    name, covers = "intake", ("log/intake/*",)
    lets_go = True

    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    def held(self, person: Person) -> list[Holding]:  # noqa: ARG002 - the tables tell it
        """Return nothing: whoever asks the tables finds every row there."""
        return []

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - all of it goes
        """Remove what the journal holds; all of it is in the tables."""
        self._pending.pour_all()
        self._pending.trim(whole=True)
        return 0


class WorkHolder:
    """What a running process keeps in the folder: lock, socket, ballast, data spilled from memory.

    Spilled data lie there while a query runs, and are removed when it ends or, after a kill, when
    the project is opened next.
    """

    name, covers = (
        "working files",
        ("ballast", ".duck/*", ".fetched.json", "heptad.sock", "owner.lock", "seals.json"),
    )
    lets_go = False

    def held(self, person: Person) -> list[Holding]:  # noqa: ARG002 - nothing stays there
        """Return nothing: nothing stays there."""
        return []

    def erase(self, people: Sequence[Person]) -> int:  # noqa: ARG002 - nothing stays there
        """Change nothing."""
        return 0


class KeysHolder:
    """The key store, which comes last: until then what is sealed can still be told apart."""

    name, covers = "keys", ("keys/*",)
    lets_go = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def held(self, person: Person) -> list[Holding]:
        """Say whether there is a key."""
        (key,) = self._keys.of([person.subject], create=False)
        return [Holding(self.name, "key", 1, "removed")] if key is not None else []

    def erase(self, people: Sequence[Person]) -> int:
        """Destroy keys, move the others to a new epoch, and leave no byte of what was."""
        gone = sum(self._keys.destroy(person.subject) for person in people)
        self._keys.new_epoch()
        self._keys.purge()
        return gone


def naming(table: type[Table], kind: str) -> list[Field]:
    """Return the fields of a table that name a row of the table `kind`."""
    own = [table.key] if table.__name__ == kind else []
    refs = [f for f in table.fields.values() if isinstance(f, Ref) and f.target_name == kind]
    return own + refs


def _words(person: Person) -> list[str]:
    """Return the personal values that are long enough to be looked for by themselves."""
    from heptad.security.erasure import LEAST

    return sorted(value for value in person.values if len(value) >= LEAST)
