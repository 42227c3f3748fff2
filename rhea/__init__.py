"""Rhea, the text-to-image model bundled with Demur: a small cousin of Emu (arXiv 2309.15807) that trains on what was not opted out."""

import os

# Before torch loads its threads: let them sleep at barriers. On a machine that is shared, spinning there wastes three quarters of it.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
