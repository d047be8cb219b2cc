# SPDX-License-Identifier: Apache-2.0
"""What a database says when it fails, in the words of this project."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from heptad.standards.errors import Busy, Conflict, ContractError, Corrupt, HeptadError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN")
_FULL = ("SQLITE_FULL", "DiskFull")
_DAMAGED = ("SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA")
_UNSTORABLE = (DataError, OverflowError, UnicodeEncodeError)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the database and its driver into the platform's own."""
    try:
        yield
    except (SQLAlchemyError, OverflowError, UnicodeEncodeError) as error:
        raise _named(error) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("sqlite3", "psycopg"):
            raise _named(error) from error
        raise


def _named(error: Exception) -> HeptadError:
    """Find the error of this project that says the same."""
    if isinstance(error, StatementError) and isinstance(error.orig, HeptadError):
        return error.orig
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    says = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    name = getattr(cause, "sqlite_errorname", "") or type(cause).__name__
    if isinstance(error, _UNSTORABLE) or isinstance(cause, _UNSTORABLE):
        return ContractError("The catalog cannot store a value.", got=says)
    if isinstance(error, IntegrityError):
        return Conflict("The catalog holds this already, or lacks what it refers to.", got=says)
    if isinstance(error, PoolTimeout) or name.startswith(_BUSY):
        return Busy("The catalog is in use.", got=says, do="try again")
    if name in _FULL:
        return Busy("The disk of the catalog is full.", got=says, do="free some space")
    return _worse(error, name, says)


def _worse(error: Exception, name: str, says: str) -> HeptadError:
    """Tell damage of a file from a server that is away."""
    if name.startswith("SQLITE_READONLY"):
        return Busy("The catalog cannot be written.", got=says, do="check the folder's rights")
    if name.startswith("SQLITE_IOERR") and name not in _DAMAGED:
        return Busy(
            "The disk of the catalog refused; what was asked for was not stored.",
            got=says,
            do="check the disk (`heptad doctor`), then run it again",
        )
    if name.startswith("SQLITE") or name == "DatabaseError":
        return Corrupt(
            "The catalog cannot be read or written.",
            got=says,
            do="run `heptad doctor`; restore catalog.sqlite from a backup if it is damaged",
        )
    if isinstance(error, DBAPIError) or name in ("OperationalError", "InterfaceError"):
        return Busy("The catalog's database does not answer.", got=says, do="check its server")
    return Corrupt("The catalog failed.", got=says, do="run `heptad doctor`")
