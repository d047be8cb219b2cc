# SPDX-License-Identifier: Apache-2.0
"""What an open project answers to whoever reads: each read is decided once, and recorded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heptad.service.discovery import pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Unpack

    import pyarrow as pa

    from heptad.engine.local.worker import Answer
    from heptad.security.access import AccessLog, Entry
    from heptad.security.keys import Keys
    from heptad.service.app import App
    from heptad.service.decisions.records import Opened
    from heptad.service.features import Feature
    from heptad.service.online.gate import Gate
    from heptad.service.online.serving import Online
    from heptad.service.online.values import Values
    from heptad.service.reads.guard import Access, Guard, Reader
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores
    from heptad.sources.config import Project
    from heptad.standards import Table


class Reading:
    """The reads of one project, which `Platform` opens.

    Attributes:
        role: who reads, where nothing else is said; so are `purpose` and `who`.
        apps: the applications by name; `tables` so as well.
        guard: decides what a read may see, and records it.
    """

    role: str
    purpose: str
    who: str
    apps: dict[str, App]
    tables: dict[str, type[Table]]
    project: Project
    guard: Guard
    reads: Reads
    keys: Keys
    access: AccessLog
    served: Online
    _stores: Stores

    def app(self, name: str) -> App:
        """Find an application.

        Raises:
            UnknownName: if there is none of that name.
        """
        return pick("application", name, self.apps)

    def table(self, name: str) -> type[Table]:
        """Find a table.

        Raises:
            UnknownName: if there is none of that name.
        """
        return pick("table", name, self.tables)

    def read(
        self,
        table: str,
        t: int | None = None,
        k: int | None = None,
        *,
        version: int | None = None,
        limit: int | None = None,
        after: str = "",
        **reader: Unpack[Reader],
    ) -> pa.Table:
        """Read a table as of an instant in both times, or all row versions of a stored version.

        Args:
            table: its name.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            version: a stored version; with t or k, the read is of that version.
            limit: most rows.
            after: only keys beyond this one.
            **reader: `purpose`, "" to see personal values masked; `role`; `who` reads, as the
                access log names it; of each the platform's own by default, here and below.

        Returns:
            Arrow table in key order; sealed cells answer as role and purpose permit. Rows of
            persons without a basis for the purpose, as known now, are not among them.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover the table.
            Busy: if the read cannot be recorded in the access log.
        """
        from heptad.service.reads.reading import shown

        declared = self.table(table)
        asked: dict[str, Any] = {"table": table, "t": t, "k": k, "version": version, "after": after}
        with self.guard.reading("read", **self._reader(**reader), **asked) as access:
            rows = self.reads.under(access).rows(
                declared, t, k, version=version, limit=limit, after=after
            )
            return shown(declared, rows, access, self.keys)

    def _reader(self, purpose: str | None = None, role: str = "", who: str = "") -> dict[str, str]:
        """Return who reads, in which role and why; the platform's own where it is not said."""
        why = self.purpose if purpose is None else purpose
        return {"role": role or self.role, "purpose": why, "who": who or self.who}

    @contextmanager
    def reviewing(
        self,
        action: str,
        wanted: str = "",
        *,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
        **asked: Any,
    ) -> Iterator[Access]:
        """Let decisions be read, for their own purpose or for a review; recorded when it ends.

        Args:
            action: what is done, in one word.
            wanted: the purpose of the application whose decisions are read; "" for several.
            purpose: why; if not said, the wanted one or a review, as the role may.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.
            **asked: what is asked, plain values.

        Raises:
            Refused: if the role may not act for the purpose.
            Busy: if the read cannot be recorded in the access log.
        """
        from heptad.security.purposes import find_role, reviewing

        reader = self._reader(purpose, role, who)
        if purpose is None and self.purpose != wanted:
            open_to = find_role(reader["role"]).purposes
            reader["purpose"] = reviewing(reader["role"], open_to, wanted) or self.purpose
        with self.guard.reading(action, **reader, **asked) as access:
            yield access

    def accesses(
        self,
        *,
        subject: str = "",
        since: int | None = None,
        until: int | None = None,
        limit: int = 50,
        **reader: Unpack[Reader],
    ) -> list[Entry]:
        """Return who read what about whom and why, the newest first; itself a recorded read.

        Args:
            subject: only reads about one person, `Customer:42`.
            since: only those from this instant on, microseconds.
            until: only those up to this instant, microseconds.
            limit: most of them.
            **reader: as for `read`; of purposes audit or legal, as the role has one, by default.

        Raises:
            Refused: if the purpose is none of a review.
        """
        with self.reviewing("access", **reader, subject=subject) as access:
            access.review()
            access.about([subject] if subject else [])
            found = self.access.entries(since=since, until=until, subject=subject, limit=limit)
            access.read.rows = len(found)
            return found

    def reviewed(self, entries: Sequence[Opened]) -> list[Opened]:
        """Return those decisions that the read which goes on may see; fewer, or all of them.

        Outside of a read it is one of its own.

        Raises:
            Refused: if they are read neither for their application's purpose nor for a review.
        """
        from heptad.service.reads.guard import purpose_of

        if self.guard.current is not None:
            return self.guard.current.reviewed(self.apps, entries)
        with self.reviewing("decisions", purpose_of(self.apps, entries)) as access:
            return access.reviewed(self.apps, entries)

    def explore(
        self,
        sql: str,
        t: int | None = None,
        k: int | None = None,
        *,
        limit: int = 1_000,
        **reader: Unpack[Reader],
    ) -> Answer:
        """Answer a question in SQL over the declared tables; see `heptad.service.reads.exploring`.

        Args:
            sql: one SELECT.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            limit: most rows of the answer.
            **reader: as for `read`.

        Raises:
            Refused: if it is more than a question, or purpose and role do not allow it.
            InputError: if it cannot be answered.
            Busy: if it takes more than a question may.
        """
        from heptad.engine.local.worker import Limits
        from heptad.service.reads.exploring import explore

        limits = Limits(rows=limit)
        asked: dict[str, Any] = {"sql": sql, "t": t, "k": k}
        with self.guard.reading("explore", **self._reader(**reader), **asked) as access:
            reads = self.reads.under(access)
            return explore(sql, self.tables, reads, access, self.keys, t=t, k=k, limits=limits)

    def features(self, names: Iterable[str]) -> list[Feature]:
        """Find features by `app.name`.

        Raises:
            UnknownName: if one is not declared.
        """
        known = {f"{a.name}.{n}": f for a in self.apps.values() for n, f in a.features.items()}
        return [pick("feature", name, known) for name in names]

    def history(
        self,
        spine: pa.Table,
        features: Sequence[Feature],
        *,
        engine: str = "local",
        **reader: Unpack[Reader],
    ) -> pa.Table:
        """Compute features for a spine, for training or analysis.

        Args:
            spine: columns named after entities (`Customer`) or key columns (`customer`), the
                instants `event_time` and, optionally, `known_time` (event_time by default).
            features: what to compute; by name through `features()`.
            engine: local, or spark; both give the same bits.
            **reader: as for `read`; a purpose there must be.

        Returns:
            The spine with one column per feature, in spine order; of persons without a basis for
            the purpose nothing is counted.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self.guard.computing("history", features, **self._reader(**reader)) as access:
            access.asks(spine)
            reads = self.reads.under(access).on(engine, self.project.engine.threads)
            return reads.history(spine, features)

    def online(
        self,
        keys: Mapping[str, str],
        features: Sequence[Feature],
        *,
        exact: bool = True,
        **reader: Unpack[Reader],
    ) -> Values:
        """Read features of one key as of now; see `heptad.service.online.serving`.

        Args:
            keys: entity → key, for example {"Customer": "42"}.
            features: what to read.
            exact: compute what is not kept online, or late; else it is answered as it is kept.
            **reader: as for `read`; a purpose there must be.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self.guard.computing("online", features, **self._reader(**reader)) as access:
            access.about(f"{entity}:{key}" for entity, key in keys.items())
            access.read.rows = 1
            return self.served.answer(keys, features, access, exact=exact)

    def gate(self, **reader: Unpack[Reader]) -> Gate:
        """Open the row store for one role and one purpose; see `heptad.service.online.gate`."""
        from heptad.service.online.gate import Gate

        declared = [f for app in self.apps.values() for f in app.features.values()]
        return Gate(self._stores.rows, self.guard, declared, **self._reader(**reader))
