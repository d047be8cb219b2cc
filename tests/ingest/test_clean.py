# SPDX-License-Identifier: Apache-2.0
"""Text is standardised the same whatever stands beside it in its batch."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.ingest.clean import clean
from heptad.sources.reading import FAULT, good_rows

texts = st.text(
    st.sampled_from(list("aZ9 é\u0301\t\n\r\x07\x7f\u00a0\u3000中")) | st.characters(codec="utf-8"),
    max_size=6,
)


def expected(text):
    """Say in plain Python what a value becomes, and whether it is refused."""
    if text is None:
        return None, False
    value = unicodedata.normalize("NFC", text)
    value = re.sub("[\t\n\r\x0b\x0c]+", " ", value).strip(" \u00a0\u3000")
    return value.strip() or None, bool(re.search("[\x00-\x08\x0e-\x1f\x7f]", value))


def cleaned(values, start=0):
    """Return a column after cleaning, and which of its rows are refused."""
    batch = good_rows(["c"], {"c": pa.array(values, pa.string())}, pa.array(range(len(values))))
    done = clean(batch.slice(start), FAULT)
    return done.column("c").to_pylist(), [f is not None for f in done.column(FAULT).to_pylist()]


@settings(max_examples=60)
@given(st.lists(st.none() | texts, min_size=1, max_size=8), st.integers(0, 3))
def test_each_value_by_itself(values, start):
    start = min(start, len(values) - 1)
    found, bad = cleaned(values, start)
    for value, done, refused in zip(values[start:], found, bad, strict=True):
        alone, alone_bad = cleaned([value])
        assert ([done], [refused]) == (alone, alone_bad)
        if all(c in "aZ9 é\u0301\t\n\r\x07\x7f\u00a0\u3000中" for c in value or ""):
            assert (done, refused) == expected(value)


def test_a_clean_batch_is_passed_on_untouched():
    batch = good_rows(["c"], {"c": pa.array(["a", None])}, pa.array([1, 2]))
    assert clean(batch, FAULT).column("c").buffers() == batch.column("c").buffers()


def test_a_fault_names_the_column():
    batch = good_rows(["c"], {"c": pa.array(["a\x00b"])}, pa.array([1]))
    assert clean(batch, FAULT).column(FAULT).to_pylist() == ["control|c"]
