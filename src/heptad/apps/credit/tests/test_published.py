# SPDX-License-Identifier: Apache-2.0
"""Loaders of published files, tested on generated rows under the headers as published.

The files themselves are not ours to ship. Where a user's folder holds a real one, it is read too.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from heptad.apps.credit.published import FILES, read
from heptad.standards.errors import InputError

HEADERS = {
    "lending_club": (
        "id,member_id,loan_amnt,funded_amnt,funded_amnt_inv,term,int_rate,installment,grade,"
        "sub_grade,emp_title,emp_length,home_ownership,annual_inc,verification_status,issue_d,"
        "loan_status,pymnt_plan,url,desc,purpose,title,zip_code,addr_state,dti,delinq_2yrs,"
        "earliest_cr_line,fico_range_low,fico_range_high,inq_last_6mths,mths_since_last_delinq,"
        "mths_since_last_record,open_acc,pub_rec,revol_bal,revol_util,total_acc,"
        "initial_list_status,out_prncp,out_prncp_inv,total_pymnt,total_pymnt_inv,total_rec_prncp,"
        "total_rec_int,total_rec_late_fee,recoveries,collection_recovery_fee,last_pymnt_d,"
        "last_pymnt_amnt,next_pymnt_d,last_credit_pull_d,last_fico_range_high,"
        "last_fico_range_low,policy_code,application_type,hardship_flag,debt_settlement_flag"
    ),
    "sba": (
        "LoanNr_ChkDgt,Name,City,State,Zip,Bank,BankState,NAICS,ApprovalDate,ApprovalFY,Term,"
        "NoEmp,NewExist,CreateJob,RetainedJob,FranchiseCode,UrbanRural,RevLineCr,LowDoc,"
        "ChgOffDate,DisbursementDate,DisbursementGross,BalanceGross,MIS_Status,ChgOffPrinGr,"
        "GrAppv,SBA_Appv"
    ),
    "home_credit": (
        "SK_ID_CURR,TARGET,NAME_CONTRACT_TYPE,CODE_GENDER,FLAG_OWN_CAR,FLAG_OWN_REALTY,"
        "CNT_CHILDREN,AMT_INCOME_TOTAL,AMT_CREDIT,AMT_ANNUITY,AMT_GOODS_PRICE,NAME_INCOME_TYPE,"
        "NAME_EDUCATION_TYPE,NAME_FAMILY_STATUS,DAYS_BIRTH,DAYS_EMPLOYED,EXT_SOURCE_1,EXT_SOURCE_2"
    ),
    "gmsc": (
        ",SeriousDlqin2yrs,RevolvingUtilizationOfUnsecuredLines,age,"
        "NumberOfTime30-59DaysPastDueNotWorse,DebtRatio,MonthlyIncome,"
        "NumberOfOpenCreditLinesAndLoans,NumberOfTimes90DaysLate,NumberRealEstateLoansOrLines,"
        "NumberOfTime60-89DaysPastDueNotWorse,NumberOfDependents"
    ),
    "berka": "loan_id;account_id;date;amount;duration;payments;status",
}
DATES = {"lending_club": "Dec-2015", "sba": "28-Feb-97", "berka": "930705"}
KEPT = {
    "lending_club": {"loan_amnt", "annual_inc", "dti", "purpose", "fico_range_low"},
    "sba": {"State", "Bank", "NAICS", "Sector", "Zip3", "Franchise", "Guaranteed", "NoEmp"},
    "home_credit": {"AMT_CREDIT", "EXT_SOURCE_1", "DAYS_EMPLOYED"},
    "gmsc": {"DebtRatio", "MonthlyIncome", "NumberOfTimes90DaysLate"},
    "berka": {"amount", "duration", "payments"},
}
NEVER = {
    "lending_club": {"int_rate", "sub_grade", "recoveries", "last_fico_range_high", "total_pymnt",
                     "debt_settlement_flag", "id", "last_pymnt_d", "installment"},
    "sba": {"Term", "ChgOffDate", "ChgOffPrinGr", "DisbursementGross", "LoanNr_ChkDgt"},
    "home_credit": {"SK_ID_CURR", "CODE_GENDER", "DAYS_BIRTH"},
    "gmsc": {"", "age"},
    "berka": {"loan_id", "account_id"},
}  # fmt: skip


def generated(folder: Path, which: str, n: int = 60) -> Path:
    """A file of n drawn rows under the published header, the last one not finished yet."""
    spec, drawn = FILES[which], random.Random(0)
    header = HEADERS[which].split(spec.delimiter)
    path = folder / f"{which}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        if which == "lending_club":
            file.write("Notes offered by Prospectus (https://example.org)\n")
        writer = csv.writer(file, delimiter=spec.delimiter)
        writer.writerow(header)
        outcomes = list(spec.outcomes)
        for i in range(n):
            row = {name: str(drawn.randint(1, 99)) for name in header}
            row[spec.target] = outcomes[i % len(outcomes)] if i < n - 1 else "Current"
            if spec.decided:
                row[spec.decided[0]] = DATES[which]
            if which == "lending_club":
                row |= {"int_rate": "13.5%", "term": " 36 months", "purpose": "car", "dti": ""}
            if which == "sba":
                row |= {"GrAppv": "$1,000.00 ", "SBA_Appv": "$500.00 ", "NAICS": "722110",
                        "Zip": "1234", "FranchiseCode": "1"}  # fmt: skip
            writer.writerow([row[name] for name in header])
    return path


@pytest.mark.parametrize("which", FILES)
def test_what_leaks_is_left_out_and_told(which, tmp_path) -> None:
    loans = read(generated(tmp_path, which), which)
    assert KEPT[which] <= loans.table.keys()
    assert not NEVER[which] & loans.table.keys()
    told = loans.left_out.keys() | loans.protected.keys()
    assert NEVER[which] <= told
    assert FILES[which].target not in loans.table
    assert all(loans.left_out.values())
    assert loans.skipped == 1
    assert set(loans.y) == {0, 1}
    assert {len(v) for v in loans.table.values()} == {len(loans.y)} == {59}


def test_values_are_read_as_what_they_are(tmp_path) -> None:
    sba = read(generated(tmp_path, "sba"), "sba")
    assert sba.table["GrAppv"][0] == 1000.0
    assert sba.table["Guaranteed"][0] == 0.5
    assert sba.table["Zip3"][0] == "012"
    assert sba.table["Sector"][0] == "72"
    assert sba.table["Franchise"][0] == "no"
    assert datetime.fromtimestamp(sba.decided_at[0] / 1e6, UTC).date().isoformat() == "1997-02-28"
    club = read(generated(tmp_path, "lending_club"), "lending_club")
    assert np.isnan(club.table["dti"]).all()
    assert datetime.fromtimestamp(club.decided_at[0] / 1e6, UTC).year == 2015
    assert read(generated(tmp_path, "home_credit"), "home_credit").special == {
        "DAYS_EMPLOYED": (365243.0,)
    }


def test_a_gzipped_file_reads_the_same(tmp_path) -> None:
    path = generated(tmp_path, "gmsc")
    zipped = tmp_path / "again.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    one, other = read(path, "gmsc"), read(zipped, "gmsc")
    assert one.table.keys() == other.table.keys()
    assert one.y.tolist() == other.y.tolist()


def test_another_file_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="not"):
        read(generated(tmp_path, "gmsc"), "berka")
    with pytest.raises(InputError, match="known"):
        read(tmp_path / "x.csv", "kaggle")
    path = generated(tmp_path, "berka")
    path.write_text(path.read_text().replace("930705", "5 July"))
    with pytest.raises(InputError, match="date"):
        read(path, "berka")


@pytest.mark.parametrize(
    ("which", "path", "rows", "bads"),
    [
        ("berka", "berka/loan.asc", 682, 76),
        ("sba", "sba-loans/SBAnational_part.csv.gz", 22308, 4693),
    ],
)
def test_the_real_file_where_there_is_one(which, path, rows, bads) -> None:
    found = Path(os.environ.get("HEPTAD_DATA", "absent")) / path
    if not found.exists():
        pytest.skip(f"not run: {path} is absent; set HEPTAD_DATA to the folder that holds it")
    loans = read(found, which)
    assert (len(loans.y), int(loans.y.sum())) == (rows, bads)
    assert loans.decided_at.min() < loans.decided_at.max()
