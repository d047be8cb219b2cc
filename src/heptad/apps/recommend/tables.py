# SPDX-License-Identifier: Apache-2.0
"""What is recommended, to whom it may be, and the moments at which somebody asks."""

from __future__ import annotations

from heptad.service.rules.eligibility import CLASSES
from heptad.standards import Code, Flag, Instant, Integer, Number, Ref, Table, Text
from heptad.standards.model import Customer
from heptad.standards.model.people import CHANNELS


class Item(Table, state=True):
    """One thing that can be recommended, with the terms on which it may be, from an instant on."""

    id = Text("Unique id of the item, as interactions name it", key=True)
    event_time = Instant("Since when it stands so, UTC")
    catalogue = Text("What it is part of, for example films or funds")
    title = Text("What people are shown")
    categories = Text("Genres, sectors or the like, divided by |", optional=True)
    number = Integer("A year or another number that describes it", optional=True)
    value = Number("Expected return a year, as a fraction", scale=6, optional=True)
    risk = Code("Risk class, R1 lowest to R5 highest", standard=set(CLASSES), optional=True)
    youngest = Integer(
        "Least age of whom it is offered to", ge=0, le=130, unit="year", optional=True
    )
    oldest = Integer("Greatest age of them", ge=0, le=130, unit="year", optional=True)
    residence = Text("Countries of residence, ISO 3166-1 alpha-2, divided by |", optional=True)
    licence = Text("What the institution must be licensed for there", optional=True)
    again = Flag("Whether who holds it may be offered it again", optional=True)
    withdrawn = Flag("Whether it is no longer on offer", optional=True)


class Questionnaire(Table):
    """One questionnaire about suitability, as a customer has answered it."""

    id = Text("Unique id of the answers", key=True)
    event_time = Instant("When it was answered, UTC")
    customer = Ref(Customer, "Who answered", subject=True)
    profile = Code("Highest risk class borne", standard=set(CLASSES), optional=True)
    age = Integer("Age in whole years", ge=0, le=130, unit="year", optional=True)
    residence = Code("Country of residence", standard="ISO 3166-1 alpha-2", optional=True)


class Visit(Table):
    """One moment at which a customer can be shown a list."""

    id = Text("Unique id of the visit", key=True)
    event_time = Instant("When it was, UTC")
    customer = Ref(Customer, "Who looks", subject=True)
    catalogue = Text("From which catalogue")
    channel = Code("Where", standard=CHANNELS, optional=True)
    device = Text("Kind of device", optional=True)
    place = Text("Which place, as the channel names it", optional=True)
    page = Text("On which page", optional=True)
    session = Text("In which session", optional=True)
    n = Integer("Length of the list", ge=1, le=100, optional=True)
    slate = Text(
        "The list proposed, as JSON; the platform writes it, and what a caller sends is dropped",
        max_length=200_000,
        optional=True,
    )


class ListFigure(Table):
    """One figure of what came of the lists, as computed for the end of a day."""

    id = Text("Day, report, series and place", key=True)
    event_time = Instant("End of the day, UTC")
    report = Text("Name of the report: cohort, variant, exposure, showings, left_out")
    series = Text("What is measured")
    at = Text("Of whom or what: a cohort, a variant, an item")
    value = Number("The figure", scale=6)
    unit = Text("Unit of the figure")
    n = Integer("Lists or showings behind it", ge=0)
    low = Number("Lower end of its 95 % interval", scale=6, optional=True)
    high = Number("Upper end of it", scale=6, optional=True)
