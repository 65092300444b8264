"""Every parser of the product in one table: how it is called, its declared errors, valid samples, and the way back.

Used by tests/fuzz/: with Hypothesis in every run, with atheris in the long one. A new parser gets a row.
"""

from __future__ import annotations

from parsers import Parser
from parsers_of_entries import entries_and_keys, json_formats, time_stamps
from parsers_of_formats import texts, tlog_formats
from parsers_of_messages import media_heads, messages

PARSERS: tuple[Parser, ...] = (
    *texts(),
    *tlog_formats(),
    *json_formats(),
    *entries_and_keys(),
    *time_stamps(),
    *media_heads(),
    *messages(),
)
