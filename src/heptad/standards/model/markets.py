# SPDX-License-Identifier: Apache-2.0
"""What is traded and what moves it: instruments, prices, fundamentals, documents, attention."""

from __future__ import annotations

from heptad.standards import Code, Day, Instant, Integer, Number, Ref, Table, Text
from heptad.standards.model.people import Company


class Instrument(Table, state=True):
    """One thing that can be traded, as its terms stand from an instant on."""

    id = Text("Unique id of the instrument", key=True)
    event_time = Instant("Since when these terms hold, UTC")
    symbol = Text("Symbol at its exchange")
    kind = Code("Kind", standard={"stock", "future", "option", "fund", "bond", "index", "currency"})
    company = Ref(Company, "Who issued it", optional=True)
    currency = Code("Currency it is quoted in", standard="ISO 4217")
    expiry = Day("Last trading day", optional=True)
    strike = Number("Strike of an option", scale=6, optional=True)
    multiplier = Number("Units per contract", scale=6, optional=True)


class Price(Table):
    """One bar of one instrument, dated at its close."""

    id = Text("Unique id: instrument and close", key=True)
    event_time = Instant("End of the bar, UTC")
    instrument = Ref(Instrument, "Of what")
    open = Number("First price", scale=6, optional=True)
    high = Number("Highest price", scale=6, optional=True)
    low = Number("Lowest price", scale=6, optional=True)
    close = Number("Last price", scale=6)
    volume = Integer("Units traded", ge=0, optional=True)


class Fundamental(Table):
    """One figure about an instrument's issuer, as published."""

    id = Text("Unique id: instrument, period and item", key=True)
    event_time = Instant("End of the period it covers, UTC")
    instrument = Ref(Instrument, "Of what")
    item = Text("What is measured")
    value = Number("The figure", scale=6)


class Document(Table):
    """One text that was published: news, a filing, a post."""

    id = Text("Unique id of the document", key=True)
    event_time = Instant("When it was published, UTC")
    instrument = Ref(Instrument, "What it is about", optional=True)
    source = Text("Who published it")
    text = Text("The text", max_length=1_000_000)


class Attention(Table):
    """How much notice was taken of something in a period."""

    id = Text("Unique id: subject, series and period", key=True)
    event_time = Instant("End of the period, UTC")
    instrument = Ref(Instrument, "Of what", optional=True)
    series = Text("What is counted: searches, account openings, consultations")
    value = Integer("The count", ge=0)


class Macro(Table):
    """One value of one series of the whole economy."""

    id = Text("Unique id: series and period", key=True)
    event_time = Instant("End of the period, UTC")
    series = Text("Name of the series")
    country = Code("Country", standard="ISO 3166-1 alpha-2", optional=True)
    value = Number("The value", scale=6)
