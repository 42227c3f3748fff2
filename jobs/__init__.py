"""Background work: a relay hands outbox rows to RQ, and workers carry them out. `python -m jobs relay`, `python -m jobs worker QUEUE`."""
