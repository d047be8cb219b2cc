# SPDX-License-Identifier: Apache-2.0
"""Published loan files that a user has at home, read with what each of them leaks left out.

Nothing is shipped or fetched: the user gives the file. A column is left out where it was written
after the decision, or is the lender's own verdict; every one left out is told with the reason.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import InputError
from heptad.standards.time import micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MISSING = {"", "NA", "N/A", "n/a", "nan", "."}
AFTER = "written after the decision"
VERDICT = "the lender's own verdict"
IDENTITY = "names the case"


@dataclass(frozen=True)
class Published:
    """How one published file is read.

    Attributes:
        name: of the file.
        target: the column with the outcome.
        outcomes: value → 1 bad, 0 good; rows with another value are skipped, for their outcome
            is not known yet.
        decided: the column with the date of the decision, and its formats; None if there is none.
        leaks: pattern over whole column names → why it is left out.
        protected: columns that may be looked at for fairness, never learned from.
        texts: columns of codes that look like numbers.
        codes: column → special codes.
        delimiter: between fields.
        source: where the file is published.
    """

    name: str
    target: str
    outcomes: Mapping[str, int]
    decided: tuple[str, str] | None
    leaks: Mapping[str, str]
    protected: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    codes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    delimiter: str = ","
    source: str = ""


@dataclass(frozen=True)
class Loans:
    """What was read of a file.

    Attributes:
        table: name → (n,) numbers with NaN or text with None.
        y: (n,) 1 bad, 0 good.
        decided_at: (n,) instants of the decisions in microseconds, or None.
        protected: name → (n,) values, for fairness alone.
        left_out: column → why.
        skipped: rows whose outcome is not known.
        special: column → special codes.
    """

    table: dict[str, Any]
    y: Any
    decided_at: Any
    protected: dict[str, Any]
    left_out: dict[str, str]
    skipped: int
    special: dict[str, tuple[float, ...]]


FILES = {
    "lending_club": Published(
        name="LendingClub loan book (accepted loans)",
        target="loan_status",
        outcomes={
            "Fully Paid": 0,
            "Charged Off": 1,
            "Default": 1,
            "Does not meet the credit policy. Status:Fully Paid": 0,
            "Does not meet the credit policy. Status:Charged Off": 1,
        },
        decided=("issue_d", "%b-%Y"),
        leaks={
            r"(out_prncp|total_pymnt)(_inv)?|total_rec_.*|recoveries|collection_recovery_fee": AFTER,
            r"(last|next)_pymnt_.*|last_credit_pull_d|last_fico_.*|pymnt_plan": AFTER,
            r"hardship_.*|debt_settlement_.*|settlement_.*|orig_projected_.*|deferral_term": AFTER,
            r"payment_plan_start_date|disbursement_method": AFTER,
            r"int_rate|installment|(sub_)?grade|funded_amnt(_inv)?|initial_list_status": VERDICT,
            r"policy_code": VERDICT,
            r"id|member_id|url|desc|title|emp_title": IDENTITY,
        },
        source="LendingClub statistics, LoanStats / accepted_2007_to_2018Q4",
    ),
    "sba": Published(
        name="SBA 7(a) and 504 loans (SBAnational)",
        target="MIS_Status",
        outcomes={"P I F": 0, "CHGOFF": 1},
        decided=("ApprovalDate", "%m/%d/%Y|%d-%b-%y"),
        leaks={
            r"Term|daysterm|RealEstate": "adjusted when the loan ends: the outcome shows in it",
            r"ChgOffDate|ChgOffPrinGr|BalanceGross|xx|Default": AFTER,
            r"DisbursementDate|DisbursementGross": AFTER,
            r"LoanNr_ChkDgt|Name|City|Selected": IDENTITY,
        },
        texts=("NAICS", "Zip", "NewExist", "UrbanRural", "FranchiseCode"),
        source="Li, Mickel, Taylor, Should this loan be approved or denied?, JSE 26, 2018",
    ),
    "home_credit": Published(
        name="Home Credit default risk (application_train)",
        target="TARGET",
        outcomes={"0": 0, "1": 1},
        decided=None,
        leaks={r"SK_ID_CURR": IDENTITY},
        protected=("CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS", "CNT_CHILDREN"),
        codes={"DAYS_EMPLOYED": (365243.0,)},
        source="Kaggle, home-credit-default-risk",
    ),
    "gmsc": Published(
        name="Give Me Some Credit (cs-training)",
        target="SeriousDlqin2yrs",
        outcomes={"0": 0, "1": 1},
        decided=None,
        leaks={r"|Unnamed: 0": IDENTITY},
        protected=("age",),
        codes={
            "NumberOfTime30-59DaysPastDueNotWorse": (96.0, 98.0),
            "NumberOfTime60-89DaysPastDueNotWorse": (96.0, 98.0),
            "NumberOfTimes90DaysLate": (96.0, 98.0),
        },
        source="Kaggle, GiveMeSomeCredit",
    ),
    "berka": Published(
        name="PKDD'99 Czech bank (loan.asc)",
        target="status",
        outcomes={"A": 0, "B": 1, "C": 0, "D": 1},
        decided=("date", "%y%m%d"),
        leaks={r"loan_id|account_id": IDENTITY},
        delimiter=";",
        source="PKDD'99 discovery challenge",
    ),
}


def read(path: Path, which: str) -> Loans:
    """Read a published file, gzipped or not.

    Args:
        path: the file.
        which: a name in `FILES`.

    Raises:
        InputError: if it is another file, or has no row with a known outcome.
    """
    if which not in FILES:
        raise InputError("This file is not known.", got=which, do=f"choose from {', '.join(FILES)}")
    spec = FILES[which]
    header, lines = _lines(path, spec)
    wanted = [spec.target, *([spec.decided[0]] if spec.decided else [])]
    absent = [name for name in wanted if name not in header]
    if absent:
        raise InputError(f"{path.name} is not {spec.name}: {absent[0]} is absent.", got=header[:8])
    at = header.index(spec.target)
    known = [line for line in lines if line[at].strip() in spec.outcomes]
    if not known:
        raise InputError(f"{path.name} has no row with a known outcome.", got=len(lines))
    y = np.array([spec.outcomes[line[at].strip()] for line in known])
    held = {name: [line[i].strip() for line in known] for i, name in enumerate(header)}
    del held[spec.target]
    decided = None
    if spec.decided is not None:
        named, how = spec.decided
        decided = np.array([_instant(text, how, named) for text in held.pop(named)])
    left_out = {name: why for name in held if (why := _leak(name, spec))}
    columns = {
        name: _column(v, name in spec.texts) for name, v in held.items() if name not in left_out
    }
    if which == "sba":
        columns = _sba(columns)
    protected = {name: columns.pop(name) for name in spec.protected if name in columns}
    special = {name: codes for name, codes in spec.codes.items() if name in columns}
    return Loans(columns, y, decided, protected, left_out, len(lines) - len(known), special)


def _lines(path: Path, spec: Published) -> tuple[list[str], list[list[str]]]:
    """The header, and the rows of its length: the book of LendingClub has notes between them."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows: Iterator[list[str]] = csv.reader(file, delimiter=spec.delimiter)
        header = next((row for row in rows if spec.target in [name.strip() for name in row]), None)
        if header is None:
            raise InputError(f"{path.name} is not {spec.name}.", do=f"it has no {spec.target}.")
        return [name.strip() for name in header], [row for row in rows if len(row) == len(header)]


def _leak(name: str, spec: Published) -> str | None:
    return next((why for pattern, why in spec.leaks.items() if re.fullmatch(pattern, name)), None)


def _instant(text: str, how: str, name: str) -> int:
    found = None
    for one in how.split("|"):
        with contextlib.suppress(ValueError):
            found = datetime.strptime(text, one).replace(tzinfo=UTC)
    if found is None:
        raise InputError(f"{name} is no date.", got=text, do=f"it is written as {how}.")
    # A year of two digits is of the last century where it would lie ahead.
    if "%y" in how and found.date() > date(2030, 1, 1):
        found = found.replace(year=found.year - 100)
    return micros(found)


def _column(values: list[str], as_text: bool) -> Any:
    """Numbers if all are, with signs of money and per cent taken off; else text."""
    plain = [None if v in MISSING else v for v in values]
    if not as_text:
        bare = [None if v is None else v.strip("$ %").replace(",", "") for v in plain]
        try:
            return np.array([np.nan if v is None else float(v) for v in bare])
        except ValueError:
            pass
    return np.array(plain, dtype=object)


def _sba(columns: dict[str, Any]) -> dict[str, Any]:
    """Codes cut to the levels that say something, and the share that is guaranteed."""
    table = dict(columns)
    if "NAICS" in table:
        table["Sector"] = _prefix(table["NAICS"], 2)
    if "Zip" in table:
        table["Zip3"] = _prefix([v and v.zfill(5) for v in table.pop("Zip")], 3)
    if "FranchiseCode" in table:
        codes = table.pop("FranchiseCode")
        table["Franchise"] = np.array(
            [None if v is None else "no" if v in {"0", "1"} else "yes" for v in codes], dtype=object
        )
    if {"SBA_Appv", "GrAppv"} <= table.keys():
        whole = np.where(table["GrAppv"] > 0, table["GrAppv"], np.nan)
        table["Guaranteed"] = table["SBA_Appv"] / whole
    return table


def _prefix(values: Any, n: int) -> Any:
    return np.array([None if v is None else v[:n] for v in values], dtype=object)
