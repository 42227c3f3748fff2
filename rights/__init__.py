"""Use cases. They take a session, values and the time; they flush, and the entry point commits. No Flask, no RQ."""
