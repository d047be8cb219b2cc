# SPDX-License-Identifier: Apache-2.0
"""Documents of cases: checked by what they are, hashed, and sealed under the person's key."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from heptad.catalog.casetables import CaseEventRow, CaseRow, DocumentRow
from heptad.engine.local.disk import refusals, remove_durably, write_durably
from heptad.security.erasure import Holding
from heptad.security.sealed import open_bytes, seal_bytes
from heptad.standards.errors import ContractError, Corrupt, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heptad.catalog.store import Store
    from heptad.security.erasure import Person
    from heptad.security.keys import KeyStore
    from heptad.service.cases.case import Case, Worker
    from heptad.service.cases.handling import Cases

LARGEST = 20 << 20
FOLDER = "evidence"
_ACCOUNTS = "that we worked on them accounts for our acts"
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_SUFFIXES = {
    "application/pdf": (".pdf",), "image/png": (".png",), "image/jpeg": (".jpg", ".jpeg"),
    "image/tiff": (".tif", ".tiff"), "text/plain": (".txt", ".csv", ".eml", ".log"),
}  # fmt: skip
_ACTIVE = (b"<html", b"<script", b"<!doctype", b"<svg", b"<?xml", b"<?php", b"#!")


def kind_of(name: str, content: bytes) -> str:
    """Say what a document is, by its content; its name must agree.

    Raises:
        ContractError: if it is empty, too large, none of the kinds, or called something else.
    """
    if not 0 < len(content) <= LARGEST:
        raise ContractError(
            "A document has from one byte to 20 MiB.", got=f"{len(content)} bytes", do="split it"
        )
    kind = next((k for magic, k in _MAGIC if content.startswith(magic)), "")
    if not kind and _is_text(content):
        kind = "text/plain"
    if not kind:
        raise ContractError(
            "This is no document that is taken.", do="give a PDF, PNG, JPEG, TIFF or plain text"
        )
    if not name.lower().endswith(_SUFFIXES[kind]):
        raise ContractError(
            f"The document is {kind}, and its name says something else.",
            do=f"call it {' or '.join(_SUFFIXES[kind])}",
        )
    return kind


def _is_text(content: bytes) -> bool:
    """Whether bytes are plain text that no program takes for more."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return not start.startswith(_ACTIVE) and not any(c < " " and c not in "\t\r\n" for c in text)


class Evidence:
    """The documents of the cases of a project.

    Args:
        folder: of the project.
        store: the catalog's database.
        keys: seal them.
        cases: whose documents they are.
    """

    def __init__(self, folder: Path, store: Store, keys: KeyStore, cases: Cases) -> None:
        self._folder, self._store, self._keys, self._cases = folder / FOLDER, store, keys, cases

    def attach(self, case: Case, name: str, content: bytes, worker: Worker) -> dict[str, Any]:
        """Put a document to a case; the same one twice is there once.

        Raises:
            ContractError: if it is none that is taken.
            Refused: if whoever brings it may not work on the case.
        """
        self._cases.permit(case, worker, "attach")
        kind, sha = kind_of(name, content), hashlib.sha256(content).hexdigest()
        (key,) = self._keys.of([case.subject])
        assert key is not None  # noqa: S101 - made on first use
        ident = hashlib.sha256(f"{case.id}|{sha}".encode()).hexdigest()[:24]
        self._cases.record(case, worker, "attach")
        self._folder.mkdir(exist_ok=True)
        with refusals("The document was not kept"):
            write_durably(self._folder / f"{ident}.sealed", _sealed(content, key, ident))
        row = {
            "id": ident, "case": case.number, "subject": case.subject, "kind": kind,
            "name": _sealed(name[:200].encode(), key, ident), "size": len(content), "sha256": sha,
            "at": self._store.clock.now(), "who": worker.who,
        }  # fmt: skip
        with self._store.write() as connection:
            there = select(DocumentRow.id).where(DocumentRow.id == ident)
            if connection.execute(there).first() is None:
                connection.execute(insert(DocumentRow), row)
                self._cases.event(case, worker, "attach", document=ident, sha256=sha, kind=kind)
        return {"id": ident, "kind": kind, "size": len(content), "sha256": sha}

    def of(self, case: Case) -> list[dict[str, Any]]:
        """List the documents of a case; the names of erased persons' are gone."""
        names = ("id", "name", "kind", "size", "sha256", "at", "who")
        wanted = select(*(getattr(DocumentRow, n) for n in names))
        wanted = wanted.where(DocumentRow.case == case.number).order_by(DocumentRow.at)
        with self._store.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(wanted)]
        (key,) = self._keys.of([case.subject], create=False)
        for row in rows:
            sealed = row["name"]
            row["name"] = _opened(sealed, key, row["id"]).decode() if key and sealed else "(erased)"
        return rows

    def read(self, case: Case, ident: str, worker: Worker) -> tuple[str, bytes]:
        """Return a document's kind and bytes, checked against its hash.

        Raises:
            UnknownName: if the case has no such document, or its person is erased.
            Corrupt: if it is not what was put there.
        """
        self._cases.permit(case, worker, "open")
        self._cases.record(case, worker, "open")
        found = next((d for d in self.of(case) if d["id"] == ident), None)
        (key,) = self._keys.of([case.subject], create=False)
        path = self._folder / f"{ident}.sealed"
        if found is None or key is None or not path.is_file():
            raise UnknownName("The case has no such document.", got=ident)
        content = _opened(path.read_bytes(), key, ident)
        if hashlib.sha256(content).hexdigest() != found["sha256"]:
            raise Corrupt("A document is not what was put to the case.", got=ident)
        return found["kind"], content


class CasesHolder:
    """The cases: what was written about a person and their documents are sealed under their key."""

    name, covers = "cases", (f"{FOLDER}/*",)
    lets_go = True

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder / FOLDER

    def held(self, person: Person) -> list[Holding]:
        """Count cases of a person, what was written in them, and documents."""
        found = []
        cases = select(CaseRow.number).where(CaseRow.subject == person.subject)
        written = (CaseEventRow.case.in_(cases), CaseEventRow.sealed.is_not(None))
        named = (DocumentRow.subject == person.subject, DocumentRow.name.is_not(None))
        with self._store.read() as connection:
            for what, row, mine, fate, why in (
                ("cases", CaseRow, (CaseRow.subject == person.subject,), "kept", _ACCOUNTS),
                ("what was written in cases", CaseEventRow, written, "removed", ""),
                ("documents", DocumentRow, named, "removed", ""),
            ):
                count = select(func.count()).select_from(row).where(*mine)
                n = connection.execute(count).scalar_one()
                if n:
                    found.append(Holding(self.name, what, n, fate, why))  # type: ignore[arg-type]
        return found

    def erase(self, people: Sequence[Person]) -> int:
        """Remove documents, and what was written; that there was a case stays."""
        gone = 0
        with self._store.write() as connection:
            for person in people:
                mine = DocumentRow.subject == person.subject
                for ident in connection.execute(select(DocumentRow.id).where(mine)).scalars():
                    path = self._folder / f"{ident}.sealed"
                    if path.exists():
                        remove_durably(path)
                named = update(DocumentRow).where(mine, DocumentRow.name.is_not(None))
                gone += connection.execute(named.values(name=None)).rowcount
                cases = select(CaseRow.number).where(CaseRow.subject == person.subject)
                written = (CaseEventRow.case.in_(cases), CaseEventRow.sealed.is_not(None))
                blank = update(CaseEventRow).where(*written).values(sealed=None)
                gone += connection.execute(blank).rowcount
        return gone


def _sealed(content: bytes, key: bytes, ident: str) -> bytes:
    return seal_bytes(content, key, f"evidence|{ident}".encode())


def _opened(sealed: bytes, key: bytes, ident: str) -> bytes:
    bound, do = f"evidence|{ident}".encode(), "restore the folder evidence/ from a backup"
    return open_bytes(sealed, key, bound, f"Document {ident}", do)
