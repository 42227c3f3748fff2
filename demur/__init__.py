"""Demur for training engineers and auditors: manifests, fingerprints, signed exclusion lists and run records, without a web stack."""

__version__ = "0.1.0"
