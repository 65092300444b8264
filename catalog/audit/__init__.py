"""What an inspector asks, one file for each question; `SECTIONS` is the order in which the report answers.

A new capability adds its file and its line here, and nothing else: the report, its JSON and its page show every section
in the same way.
"""

from __future__ import annotations

from catalog.audit.changes import Changes
from catalog.audit.clock import ClockAnomalies
from catalog.audit.consultations import Consultations, Looks
from catalog.audit.copies import SingleCopies
from catalog.audit.denied import DeniedAccess
from catalog.audit.exported import Exported
from catalog.audit.failures import FailedAnalyses
from catalog.audit.gaps import Gaps
from catalog.audit.keys import Keys
from catalog.audit.lodging import Lodging
from catalog.audit.people import People
from catalog.audit.refusals import Refusals
from catalog.audit.section import Collector
from catalog.audit.unknown import UnknownTypes

SECTIONS: tuple[type[Collector], ...] = (
    Refusals,
    Gaps,
    FailedAnalyses,
    SingleCopies,
    Changes,
    ClockAnomalies,
    Keys,
    People,
    DeniedAccess,
    Consultations,
    Looks,
    Exported,
    Lodging,
    UnknownTypes,
)
