"""`make journey`: one opt-out's whole way over real photos, from the import to the proofs."""

import json
import subprocess
import sys

import pytest

from tests.support.workshop import ROOT


@pytest.mark.slow
def test_the_journey_arrives():
    walked = subprocess.run([sys.executable, "-m", "demo.journey"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    outcome = json.loads(walked.stdout.splitlines()[-1])
    assert outcome["photos_opted_out"] == outcome["in_run_before"] == outcome["absence_proofs_verified"] > 0
    assert outcome["in_run_after"] == outcome["private_rows_imported"] == 0
    assert outcome["near_duplicates_excluded"] > 0
    assert outcome["evidence_verified"] > 2 * outcome["photos_opted_out"], "of each photo a proof for each of two runs, and more"
