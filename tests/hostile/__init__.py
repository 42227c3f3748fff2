"""Attacks, each run against the real thing in a process of its own and measured."""
