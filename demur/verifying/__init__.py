"""Verifies files offline, and says in plain words what each one proves and what it does not."""

from demur.verifying.checks import Finding, verify_documents
from demur.verifying.documents import BadBundle, Document, documents_of

__all__ = ["BadBundle", "Document", "Finding", "documents_of", "verify_documents"]
