# SPDX-License-Identifier: Apache-2.0
"""What independent libraries answer about loans: QuantLib, pyxirr and creditriskengine.

Runs in an environment of its own: `python peer.py WORK IN.npz OUT.npz`.
"""

from __future__ import annotations

import sys
import time
from datetime import date, timedelta

import numpy as np

COUNTS = {"30/360": ("Thirty360", "BondBasis"), "30E/360": ("Thirty360", "EurobondBasis"),
          "ACT/360": ("Actual360", None), "ACT/365": ("Actual365Fixed", None),
          "ACT/ACT": ("ActualActual", "ISDA")}  # fmt: skip


def counter(name):
    """The day counter of a name."""
    import QuantLib

    kind, of = COUNTS[name]
    made = getattr(QuantLib, kind)
    return made(getattr(made, of)) if of else made()


def quant_day(days):
    """A day, counted from 1970, as QuantLib has it."""
    import QuantLib

    on = date(1970, 1, 1) + timedelta(days=int(days))
    return QuantLib.Date(on.day, on.month, on.year)


def shares(held):
    """Shares of a year between days, by day count."""
    found = []
    for name in held["rules"].tolist():
        rule = counter(name)
        pairs = zip(held["start"], held["end"], strict=True)
        found.append([rule.yearFraction(quant_day(a), quant_day(b)) for a, b in pairs])
    return {"share": np.array(found)}


def schedules(held):
    """Due days of monthly schedules, adjusted by the days on which TARGET works."""
    import QuantLib

    rules = {"following": QuantLib.Following, "modified following": QuantLib.ModifiedFollowing,
             "preceding": QuantLib.Preceding, "none": QuantLib.Unadjusted}  # fmt: skip
    target, found = QuantLib.TARGET(), []
    for start, term, rule in zip(held["start"], held["term"], held["convention"], strict=True):
        begin = quant_day(start)
        days = [target.adjust(begin + QuantLib.Period(n, QuantLib.Months), rules[str(rule)])
                for n in range(1, int(term) + 1)]  # fmt: skip
        found.append([d.serialNumber() - 25569 for d in days] + [-1] * (60 - int(term)))
    first, last = int(held["first"]), int(held["last"])
    works = [target.isBusinessDay(quant_day(d)) for d in range(first, last)]
    return {"due": np.array(found), "works": np.array(works)}


def annuities(held):
    """Level payments, interest and balance of loans with equal periods; and their yearly rates."""
    import pyxirr

    out = {"level": [], "balance": [], "xirr": []}
    for amount, rate, term in zip(held["amount"], held["rate"], held["term"], strict=True):
        out["level"].append(-pyxirr.pmt(rate, int(term), float(amount)))
        paid = -pyxirr.cumprinc(rate, int(term), float(amount), 1, int(term) // 2 or 1)
        out["balance"].append(float(amount) - paid)
    for days, flows in zip(held["days"], held["flows"], strict=True):
        on = [date(1970, 1, 1) + timedelta(days=int(d)) for d in days]
        out["xirr"].append(pyxirr.xirr(on, flows.tolist()))
    return {name: np.array(values) for name, values in out.items()}


def losses(held):
    """Lifetime expected loss, month by month, of loans in scenarios; and its seconds."""
    from creditriskengine.ecl.ifrs9.ecl_calc import ecl_lifetime
    from creditriskengine.ecl.ifrs9.scenarios import Scenario, weighted_ecl

    start, found = time.process_time(), []
    for n in range(len(held["months"])):
        months = int(held["months"][n])
        each = [
            Scenario(str(s), float(w), ecl_lifetime(
                held["lost"][s, held["grade"][n], :months], float(held["lgd"][s]),
                held["owed"][n, :months], float(held["rate"][n])))
            for s, w in enumerate(held["weights"])
        ]  # fmt: skip
        found.append(weighted_ecl(each))
    return {"ecl": np.array(found), "seconds": np.array(time.process_time() - start)}


def main():
    """Do one work."""
    work, source, to = sys.argv[1:]
    with np.load(source) as file:
        held = {name: file[name] for name in file.files}
    np.savez(to, **globals()[work](held))


if __name__ == "__main__":
    main()
