# SPDX-License-Identifier: Apache-2.0
"""The catalog: what a project knows about its loads, tables, models, runs and decisions."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from heptad import __version__
from heptad.catalog.blanking import Blanking
from heptad.catalog.decisions import Decisions
from heptad.catalog.erasures import Erasures
from heptad.catalog.keys import KeyStore
from heptad.catalog.lineage import Lineage
from heptad.catalog.loads import Loads
from heptad.catalog.models import Models
from heptad.catalog.quality import Quality
from heptad.catalog.runs import Runs
from heptad.catalog.settings import Settings
from heptad.catalog.store import Store
from heptad.catalog.versions import Versions
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from heptad.standards.time import Clock


class Catalog:
    """An open catalog; each part of it is an attribute.

    Args:
        target: path of the SQLite file, or a `sqlite:///` or `postgresql://` URL.
        models: folder of the models' bytes; beside the SQLite file if not given.
        clock: tells the instants that are recorded.
        read_only: open beside the owner, without writing or upgrading.

    Raises:
        Busy: if the database cannot be reached.
        Conflict: if a newer Heptad wrote it, or a read-only catalog needs an upgrade.
        Corrupt: if it is damaged, or its disk cannot keep what it acknowledges.
        InputError: if the target is neither, or the folder of models is not given.
        UnknownName: if its folder, or the file that is only to be read, is not there.
    """

    def __init__(
        self,
        target: str | Path,
        *,
        models: Path | None = None,
        clock: Clock | None = None,
        read_only: bool = False,
    ) -> None:
        self.store = store = Store(target, clock=clock, read_only=read_only)
        if models is None and store.path is None:
            store.close()
            raise InputError("A catalog in PostgreSQL needs a folder for models.", do="models=…")
        folder = models or Path(store.path or "").parent / "models"
        self.settings = Settings(store)
        self.versions = Versions(store)
        self.loads = Loads(store, self.versions)
        self.lineage = Lineage(store)
        self.quality = Quality(store)
        self.models = Models(store, self.versions, folder)
        self.runs = Runs(store)
        self.keys = KeyStore(store)
        self.decisions = Decisions(store, self.versions)
        self.erasures = Erasures(store)
        self.blanking = Blanking(store)
        if not read_only:
            self.settings.begin(__version__)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything that this thread writes in the block durable at once, or not at all."""
        with self.store.write():
            yield

    def check(self) -> None:
        """Read the whole database; raises Corrupt if it is damaged."""
        self.store.check()

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
