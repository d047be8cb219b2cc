# SPDX-License-Identifier: Apache-2.0
"""Recommendation: which of a million things this person is shown now, and why.

For whoever offers films, funds or other products. A visit is a row with the person and the moment;
its decision is a list: allowed by the terms of each item, recalled by several models, ranked by
trees that learned from the past, re-ranked for variety. What may not be offered is in no list,
whatever proposed it, and each exclusion is counted by its code.
"""

from heptad.apps.recommend.decide import POLICY, PURPOSE, check, decide
from heptad.apps.recommend.demo import demo
from heptad.apps.recommend.features import features
from heptad.apps.recommend.learning import learn
from heptad.apps.recommend.measuring import measure
from heptad.apps.recommend.pages import pages
from heptad.apps.recommend.serving import prepare
from heptad.apps.recommend.tables import Item, ListFigure, Questionnaire, Visit
from heptad.service.app import App, Job
from heptad.standards.model import Interaction

app = App(
    name="recommend",
    title="Recommendation",
    on=Visit,
    purpose=PURPOSE,
    tables=(Item, Questionnaire, Visit, ListFigure),
    features=features,
    decide=decide,
    prepare=prepare,
    policy=POLICY,
    check=check,
    jobs=(
        Job("learn", "Learn a ranker from what customers did", learn, (Item, Interaction)),
        Job("measure", "Measure what came of the lists", measure, (Item, Interaction, Visit)),
    ),
    pages=pages,
    demo=demo,
)

__all__ = ["app"]
