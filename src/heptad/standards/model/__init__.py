# SPDX-License-Identifier: Apache-2.0
"""The shared financial data model: what institutions map their data to, once."""

from heptad.standards.model.assets import Claim, Equipment, Fix, HazardEvent, Lease, Policy
from heptad.standards.model.lending import (
    Collateral,
    CreditOffer,
    CreditRecord,
    Holding,
    Loan,
    LoanApplication,
    Product,
    Repayment,
)
from heptad.standards.model.lists import Listing
from heptad.standards.model.markets import (
    Attention,
    Document,
    Fundamental,
    Instrument,
    Macro,
    Price,
)
from heptad.standards.model.payments import (
    Account,
    Card,
    Device,
    Invoice,
    Merchant,
    Order,
    Payment,
    Rate,
    Transfer,
)
from heptad.standards.model.people import (
    Company,
    Consent,
    Contact,
    Customer,
    Interaction,
    Ownership,
    Promotion,
    Statement,
)
from heptad.standards.model.work import Case, Label
from heptad.standards.tables import Table

MODEL: dict[str, type[Table]] = {
    table.__name__: table
    for table in (
        Customer, Company, Ownership, Statement, Account, Card, Device, Merchant, Product, Holding,
        Interaction, Payment, Transfer, Rate, Invoice, LoanApplication, Loan, Repayment, Collateral,
        CreditRecord, CreditOffer, Promotion, Contact, Consent, Label, Case, Instrument, Price,
        Fundamental, Document, Attention, Macro, Order, Equipment, Lease, Fix, Policy, Claim,
        HazardEvent, Listing,
    )
}  # fmt: skip
"""Every shared table by its name."""

__all__ = [
    "MODEL",
    "Account",
    "Attention",
    "Card",
    "Case",
    "Claim",
    "Collateral",
    "Company",
    "Consent",
    "Contact",
    "CreditOffer",
    "CreditRecord",
    "Customer",
    "Device",
    "Document",
    "Equipment",
    "Fix",
    "Fundamental",
    "HazardEvent",
    "Holding",
    "Instrument",
    "Interaction",
    "Invoice",
    "Label",
    "Lease",
    "Listing",
    "Loan",
    "LoanApplication",
    "Macro",
    "Merchant",
    "Order",
    "Ownership",
    "Payment",
    "Policy",
    "Price",
    "Product",
    "Promotion",
    "Rate",
    "Repayment",
    "Statement",
    "Transfer",
]
