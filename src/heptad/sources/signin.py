# SPDX-License-Identifier: Apache-2.0
"""How people sign in: the section [signin] of a project file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.sources.sections import Section

SIGNIN_KEYS = ("issuer", "client", "secret", "user", "claim", "roles", "url")
ROLES = ("admin", "engineer", "analyst", "risk", "officer", "marketer", "auditor")
"""What a person may be; an application signs in with a key."""


@dataclass(frozen=True, slots=True)
class Signin:
    """Where people sign in, and who may be what.

    Attributes:
        issuer: URL of the OpenID provider; "" if nobody signs in.
        client: our id there.
        secret: ours there, `${env:…}` or `${file:…}`; "" for a public client.
        user: claim by which a person is called; it must never be given to somebody else.
        claim: claim that names groups.
        roles: group → role; of several the one that stands first.
        url: by which browsers reach this server; as they called it if "".
    """

    issuer: str = ""
    client: str = ""
    secret: str = ""
    user: str = "sub"
    claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


def signin(section: Section) -> Signin:
    """Read the section [signin].

    Raises:
        ContractError: if it lacks something, or would send what is secret in the clear.
    """
    plain = {n: section.text(n) for n in ("issuer", "client", "secret", "url")}
    if not any(plain.values()):
        return Signin()
    for name in ("issuer", "client"):
        if not plain[name]:
            raise section.error(f"[signin] lacks {name}.", name, None, f'write {name} = "…"')
    parts = urlsplit(plain["issuer"])
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise section.error(
            "[signin]: an issuer is asked over https.", "issuer", plain["issuer"], "write https://"
        )
    _require_address(section, plain["url"])
    if plain["secret"] and not plain["secret"].startswith("${"):
        raise section.error(
            "[signin]: a secret does not stand in the project file.", "secret", None,
            'write secret = "${env:NAME}"',
        )  # fmt: skip
    roles = section.mapping("roles")
    for role in roles.values():
        if role not in ROLES:
            raise section.error(
                f"[signin]: nobody can be a {role!r}.", "roles", role, f"one of {', '.join(ROLES)}"
            )
    user, claim = section.text("user", "sub"), section.text("claim", "groups")
    return Signin(**plain, user=user, claim=claim, roles=roles)


def _require_address(section: Section, url: str) -> None:
    """Refuse an address of this server that is none."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("https", "http") or not parts.hostname):
        raise section.error(
            "[signin]: url is not the address of a server.", "url", url, 'write url = "https://…"'
        )
