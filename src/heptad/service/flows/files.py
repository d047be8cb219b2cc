# SPDX-License-Identifier: Apache-2.0
"""Read flows from YAML: stages in order, every name checked, every error with its place and cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.engine.sql.documents import Document
from heptad.service.decisions.counterfactual import Lever
from heptad.service.flows.eligible import refuse_early_yes, terms_as_rules
from heptad.service.flows.flows import KINDS, Flow, Kind, Stage
from heptad.service.rules.files import Names, expression, known_keys, names_of, rules, table_of
from heptad.service.rules.rules import Rules
from heptad.standards.errors import InputError, UnknownName, suggest
from heptad.standards.evaluate import listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heptad.engine.sql.documents import Path as Place
    from heptad.service.features import Feature
    from heptad.standards import Table
    from heptad.standards.resolve import Typed

HEAD = ("flow", "version", "on", "policy", "lists", "calendars", "levers", "stages")


def read_flow(
    text: str,
    table: type[Table],
    features: Mapping[str, Feature],
    *,
    name: str = "flow.yaml",
) -> Flow:
    """Read a flow.

    Args:
        text: YAML with `flow` (its name), `version`, `on`, `stages`, and where needed `policy`,
            `lists` and `calendars`.
        table: the table decided on.
        features: those that the application computes, by name.
        name: of the file, for errors.

    Raises:
        HeptadError: with file, line and cure.
    """
    document = Document(text, name)
    given = known_keys(document, (), document.data, HEAD)
    table_of(document, {table.__name__: table})
    names = names_of(table, features, document)
    stages: list[Stage] = []
    for n, one in enumerate(_listed(document, given.get("stages"))):
        stage = _stage(document, ("stages", n), one, names, features)
        stages.append(stage)
        names.schema |= {f"amount.{a}": tree.kind for a, tree in stage.amounts.items()}
    _ends(document, stages)
    refuse_early_yes(document, stages)
    return Flow(
        name=str(given.get("flow", "")),
        version=int(given.get("version", 1)),
        on=table.__name__,
        stages=stages,
        policy=given.get("policy") or {},
        text=text,
        listings=_listings(document, stages, features),
        levers=_levers(document, given.get("levers") or {}, names),
    )


def _levers(document: Document, given: Any, names: Names) -> tuple[Lever, ...]:
    """Read what a person can act on: whole numbers, with how far they may fall and rise."""
    known_keys(document, ("levers",), given, tuple(names.schema))
    made = []
    for name, bounds in given.items():
        body = known_keys(document, ("levers", name), bounds, ("low", "high", "step"))
        kind = names.schema[name]
        whole = (kind if isinstance(kind, str) else kind.kind) == "integer"
        if not whole or not body or any(type(v) is not int for v in body.values()):
            raise InputError(
                f"A lever is a whole number with whole bounds, which {name} is not.",
                place=document.place(("levers", name)), do="write amount: {low: 50000, step: 10000}",
            )  # fmt: skip
        made.append(Lever(name, body.get("low"), body.get("high"), max(1, body.get("step", 1))))
    return tuple(made)


def load_flow(path: Path, table: type[Table], features: Mapping[str, Feature]) -> Flow:
    """Read the flow that a package carries; see `read_flow`."""
    from heptad.service.features import named

    text = path.read_text(encoding="utf-8")
    return read_flow(text, table, named(features), name=path.name)


def _listed(document: Document, given: Any) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise InputError(
            "A flow has stages.",
            place=document.place(("stages",)),
            do="write stages: [- checks: …]",
        )
    return given


def _stage(
    document: Document, path: Place, given: Any, names: Names, features: Mapping[str, Feature]
) -> Stage:
    """Read one stage: {kind: body}, with a name where a kind is used twice."""
    given = known_keys(document, path, given, (*KINDS, "name"))
    kinds = [k for k in KINDS if k in given]
    if len(kinds) != 1:
        raise InputError(
            "A stage is of one kind.", got=", ".join(kinds), place=document.place(path),
            do=f"use one of {', '.join(KINDS)}",
        )  # fmt: skip
    kind, body, where = kinds[0], given[kinds[0]], (*path, kinds[0])
    name = str(given.get("name", kind))
    if kind == "features":
        return Stage(kind, name, Rules(()), features=_features(document, where, body, features))
    if kind == "amounts":
        return Stage(kind, name, Rules(()), _amounts(document, where, body, names))
    if kind == "eligible":
        made = rules(document, where, terms_as_rules(document, where, body), names)
        return Stage(kind, name, made, product=body["product"])
    if kind in ("outcome", "score") and isinstance(body, dict):
        body = [{"when": True, **body}] if kind == "outcome" else [body]
    made = rules(document, where, body, names)
    _check(document, path, kind, made, features)
    return Stage(kind, name, made)


def _check(
    document: Document, path: Place, kind: Kind, made: Rules, features: Mapping[str, Feature]
) -> None:
    """Refuse what a stage of this kind cannot mean."""
    for rule in made.rules:
        if kind in ("prefilter", "policy", "outcome") and not rule.outcome:
            raise InputError(
                f"{rule.code} has no outcome, which a rule of {kind} needs.", place=rule.place,
                do="write outcome: refer",
            )  # fmt: skip
        if kind == "prefilter":
            late = _columns(rule.when) & {*features, "score.points", "score.probability"}
            if late:
                raise InputError(
                    f"{rule.code} reads {min(late)}, which a prefilter does not know yet.",
                    place=rule.place, do="move it to checks",
                )  # fmt: skip
    if kind == "outcome" and not (made.rules and made.rules[-1].when.value is True):
        raise InputError("The last outcome always holds.", place=document.place(path))


def _columns(tree: Typed) -> set[str]:
    found, todo = set(), [tree]
    while todo:
        node = todo.pop()
        if node.op == "column":
            found.add(node.name)
        todo.extend(node.arguments)
    return found


def _features(
    document: Document, path: Place, body: Any, features: Mapping[str, Feature]
) -> tuple[str, ...]:
    for n, name in enumerate(body if isinstance(body, list) else []):
        if name not in features:
            raise UnknownName(
                f"There is no feature {name!r}.", got=name, place=document.place((*path, n)),
                do=suggest(str(name), features),
            )  # fmt: skip
    return tuple(body) if isinstance(body, list) else tuple(features)


def _amounts(document: Document, path: Place, body: Any, names: Names) -> dict[str, Typed]:
    """Read amounts in order; each may use those before it."""
    if not isinstance(body, dict) or not body:
        raise InputError("Amounts are named expressions.", place=document.place(path))
    own = Names(dict(names.schema), names.lists, names.stored, names.calendars)
    made: dict[str, Typed] = {}
    for name, tree in body.items():
        made[name] = expression(document, (*path, name), tree, own)
        own.schema[f"amount.{name}"] = made[name].kind
    return made


def _ends(document: Document, stages: list[Stage]) -> None:
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two stages are named {name!r}.", place=document.place(("stages",)),
                do="give one of them a name: …",
            )  # fmt: skip
    if stages[-1].kind == "outcome":
        return
    raise InputError(
        "A flow ends with an outcome.", place=document.place(("stages",)),
        do="end with - outcome: {code: ORDINARY, outcome: approve}",
    )  # fmt: skip


def _listings(
    document: Document, stages: list[Stage], features: Mapping[str, Feature]
) -> dict[str, str]:
    """Find the feature of each stored list that the flow asks for."""
    todo = [t for s in stages for r in s.rules.rules for t in r.trees()]
    todo += [t for s in stages for t in s.amounts.values()]
    found: dict[str, str] = {}
    while todo:
        node = todo.pop()
        todo.extend(node.arguments)
        if node.op != "listed":
            continue
        feature = f"{node.arguments[1].value}_{node.arguments[0].name}"
        if feature not in features:
            raise UnknownName(
                f"The application computes no feature for {listing(node)}.", got=feature,
                place=document.name,
                do=f'add {feature} = on_list("{node.arguments[1].value}", …) to its features',
            )  # fmt: skip
        found[listing(node)] = feature
    return found
