# SPDX-License-Identifier: Apache-2.0
"""The project file that binds the bank's exports to the shared tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.sources.bank import Bank

_PROJECT = """\
# A simulated bank: {customers} customers, seed {seed}, {days} days from {start}.
[project]
name = "simulated-bank"
currency = "EUR"
clock = "{clock}"
{sources}"""

_SOURCES = r"""
[[source]]                                  # terminals and cash machines
name = "terminals"
table = "Payment"
from = "terminals_*.csv.gz"
separator = ";"
decimal = ","
thousands = "."
zone = "Europe/Berlin"
codes = { status = { A = "authorised", D = "declined", R = "reversed" }, channel = { POS = "terminal", ATM = "atm" } }
[source.map]
id = "TX_ID"
event_time = "strptime(TS, '%d/%m/%Y %H:%M:%S')"
customer = "CUST"
merchant = "MERCH"
country = "CTRY"
amount = "AMT"
currency = "CCY"
card = "PAN"
channel = "CHNL"
status = "STAT"
place_lat = "LAT"
place_lon = "LON"
known_time = "BOOKED"

[[source]]                                  # shops on the net and telephones
name = "online"
table = "Payment"
from = "online_*.csv"
[source.map]
known_time = "booked"
deleted = "op = 'D'"

[[source]]
name = "transfers"
table = "Transfer"
from = "transfers_*.jsonl.gz"
known_after = "1 second"
[source.map]
event_time = "booked"

[[source]]
name = "repayments"
table = "Repayment"
from = "repayments.parquet"
[source.map]
known_time = "known_time"

[[source]]
name = "merchants"
table = "Merchant"
from = "merchants.tsv"
encoding = "latin-1"
header = false
columns = ["id", "since", "company", "name", "category", "country", "city", "lat", "lon"]
[source.map]
event_time = "since"
place_lat = "lat"
place_lon = "lon"

[[source]]
name = "bureau"
table = "CreditRecord"
from = "bureau.csv"
separator = "|"
known_after = "1 day"
[source.map]
id = "REPORT"
event_time = "strptime(DAY, '%Y%m%d')"
customer = "CUSTOMER"
open_loans = "OPEN"
overdue = "OVERDUE"
enquiries = "ENQUIRIES"
worst_late = "WORST"
debt = "DEBT"
currency = "'EUR'"

[[source]]
name = "labels"
table = "Label"
from = "labels.csv"
[source.map]
known_time = "known_time"

[[source]]
name = "consents"
table = "Consent"
from = "consents.jsonl.gz"
[source.map]
event_time = "since"

[[source]]
name = "rates"
table = "Rate"
from = "rates.csv"
"""

_CORE = """
[[source]]
name = "{name}"
table = "{table}"
from = "sqlite:///core.sqlite"
query = "{name}"
watermark = "changed_at"
[source.map]
known_time = "changed_at"
"""

_MORE = {
    "customers": "home = \"home_lat || ',' || home_lon\"\n",
}


def project_text(bank: Bank) -> str:
    """Return the text of heptad.toml for the exports of a bank."""
    from heptad.sources.bank.database import TABLES

    core = [
        _CORE.format(name=name, table=table) + _MORE.get(name, "") for name, table in TABLES.items()
    ]
    parameters = bank.parameters
    return _PROJECT.format(
        customers=parameters.customers,
        seed=parameters.seed,
        days=parameters.days,
        start=parameters.start.isoformat(),
        clock=format_instant(bank.world.end),
        sources=_SOURCES + "".join(core),
    )
