"""Verifies files offline, and says in plain words what each one proves and what it does not."""

from demur.verifying.checks import verify_documents
from demur.verifying.documents import BundleLimits, Document, Unpacked, all_unpacked, captions_in, documents_of, unpacked
from demur.verifying.findings import Answer, Finding
from demur.verifying.summary import Group, Summary, summarise

__all__ = [
    "Answer",
    "BundleLimits",
    "Document",
    "Finding",
    "Group",
    "Summary",
    "Unpacked",
    "all_unpacked",
    "captions_in",
    "documents_of",
    "summarise",
    "unpacked",
    "verify_documents",
]
