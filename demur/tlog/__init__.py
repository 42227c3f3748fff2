"""Merkle trees as in RFC 6962 and RFC 9162."""
