"""The steps that make the catalogue's schema, one file each, never edited after a release."""

from __future__ import annotations

from sqlite_utils import Migrations

from catalog.migrations import m0001_tables

CATALOGUE = Migrations("catalogue")
STEPS = (m0001_tables.create_tables,)

for _step in STEPS:
    CATALOGUE(name=_step.__module__.rpartition(".")[2])(_step)
