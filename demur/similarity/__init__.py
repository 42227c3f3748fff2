"""Fingerprints of pictures, and finding pictures that are the same or nearly the same."""
