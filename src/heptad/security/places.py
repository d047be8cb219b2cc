# SPDX-License-Identifier: Apache-2.0
"""Where a project's keys lie, as `[security] keys` says: in its folder, in another, or in a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from heptad.security.keys import Keys
from heptad.security.transit import TOKENS, Transit, TransitLock
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from heptad.standards.time import Clock

FILE, SERVICE = "file:", "vault:"


def open_keys(
    folder: Path,
    where: str = "",
    *,
    passphrase: str = "",
    token: str = "",
    ca: str = "",
    clock: Clock | None = None,
) -> Keys:
    """Open a project's key store.

    Args:
        folder: of the wrapped keys, `keys/` of the project.
        where: what closes them: "" the file `kek` beside them, `file:FOLDER` the file `kek` in
            another folder, `vault:https://HOST/MOUNT/KEY` a key of OpenBao or Vault.
        passphrase: locks the file `kek`.
        token: for the service; by default the value of BAO_TOKEN or VAULT_TOKEN.
        ca: file of the certificates to trust the service by.
        clock: dates the erasures.

    Raises:
        InputError: if `where` is none of these.
        HeptadError: as `Keys` says.
    """
    if where.startswith(SERVICE):
        given = token or next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
        transit = Transit(where.removeprefix(SERVICE), given, ca=ca)
        return Keys(folder, lock=TransitLock(transit), clock=clock)
    if where.startswith(FILE):
        home = Path(where.removeprefix(FILE)).expanduser()
        home = home if home.is_absolute() else folder.parent / home
        return Keys(folder, passphrase=passphrase or None, home=home, clock=clock)
    if where:
        raise InputError(
            "[security] keys names no place that is known.",
            got=where.partition(":")[0] + ":…",
            do='write keys = "file:/FOLDER" or keys = "vault:https://HOST:8200/transit/NAME"',
        )
    return Keys(folder, passphrase=passphrase or None, clock=clock)
