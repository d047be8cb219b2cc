# SPDX-License-Identifier: Apache-2.0
"""The command that says which products a person may be offered, and why not the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.rules.eligibility import admit, read_terms
from heptad.service.rules.people import house_of, known_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.runtime import Platform


def eligible(  # noqa: PLR0913, PLR0917 - what is asked of whom
    platform: Platform,
    text: str,
    customer: str,
    name: str = "products.yaml",
    profile: str = "",
    licences: Mapping[str, Sequence[str]] | None = None,
    purpose: str | None = None,
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Judge products for a customer by their terms; what is not known excludes.

    Args:
        platform: the open project.
        text: the terms of the products, YAML.
        customer: key of the customer.
        name: of the file, for errors.
        profile: the highest risk class that a valid questionnaire bears.
        licences: country → what the institution is licensed for there.
        purpose: why it is read; the project's own by default, "" to see what anybody may.
        role: in which role.
        who: who reads.
    """
    terms = read_terms(text, name=name)
    given = {"role": role or platform.role, "who": who or platform.who,
             "purpose": platform.purpose if purpose is None else purpose}  # fmt: skip
    with platform.guard.reading("eligible", **given, customer=customer) as access:
        person = known_of(
            customer, access, platform.reads, platform.keys, platform.guard, profile=profile
        )
    held = {country: frozenset(of) for country, of in (licences or {}).items()}
    admitted, excluded = admit(person, terms, house_of(platform.guard, held))
    return {
        "customer": customer,
        "admitted": [one.product for one in admitted],
        "excluded": [
            {"product": e.product, "code": e.code, "numbers": dict(e.numbers)} for e in excluded
        ],
    }
