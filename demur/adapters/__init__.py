"""Demur inside the tools that training teams run. Each module needs its tool, which `pip install ./demur` does not bring."""
