"""The audit as one printable page: no script, nothing loaded, everything escaped.

Rendering is PURE; the caller has recorded the look before `write_audit` is called.
"""

from __future__ import annotations

from pathlib import Path

from base import fsio
from base.clock import format_time
from base.escape import shown
from catalog.audit.report import AuditReport
from catalog.audit.section import NOTE, OK, WAITS, WITHHELD
from exports.contact_sheet import SheetExistsError
from exports.page import page_template, period_text

TEMPLATE = "audit_report.html.jinja"
WORDS = {OK: "OK", NOTE: "NOTE", WAITS: "WAITS"}
_REASONS = (WITHHELD, "erased", "missing")


def render_audit(report: AuditReport, *, made_by: str, role: str) -> bytes:
    """Return the page. The same report gives the same bytes."""
    page = page_template(TEMPLATE).render(
        report=report,
        made_at=format_time(report.made_at),
        made_by=made_by,
        role=role,
        period=period_text(report.period),
        words=WORDS,
        reasons=_REASONS,
    )
    return page.encode("utf-8")


def write_audit(page: bytes, path: Path) -> None:
    """Write ``page`` into the new file ``path`` that only its owner can read."""
    try:
        fsio.put_file(path.absolute(), page)
    except FileExistsError as error:
        raise SheetExistsError(path) from error
    except OSError as error:
        raise fsio.DiskError.from_os(error, f"{shown(str(path))} can't be written") from error
