# SPDX-License-Identifier: Apache-2.0
"""What is known of who looks: what they chose and turned down, and what suits them."""

from __future__ import annotations

from heptad.apps.recommend.tables import Questionnaire
from heptad.service.features import count, latest, since
from heptad.service.operators.patterns import sequence
from heptad.standards import day
from heptad.standards.model import Interaction

HISTORY = 50
"""Events of a history that count."""
VALID = 730 * day
"""How long answers about suitability hold."""
_liked = Interaction.action != "dismiss"

features = {
    "chosen": sequence(Interaction.item, HISTORY, by=Interaction.customer, where=_liked),
    "dismissed": sequence(
        Interaction.item, HISTORY, by=Interaction.customer, where=Interaction.action == "dismiss"
    ),
    "events": count(Interaction.id, by=Interaction.customer),
    "idle": since(Interaction.id, by=Interaction.customer, where=_liked),
    "profile": latest(Questionnaire.profile, by=Questionnaire.customer, over=VALID),
    "age": latest(Questionnaire.age, by=Questionnaire.customer, over=VALID),
    "residence": latest(Questionnaire.residence, by=Questionnaire.customer, over=VALID),
}
