"""The scales themselves."""

import pytest

from tests.hostile.measuring import run_measured


def take(megabytes: int) -> str:
    return f"took {len(bytearray(megabytes * 10**6))}"


def burn(seconds: float) -> None:
    import time

    while time.process_time() < seconds:
        pass


def test_what_a_process_takes_is_measured():
    measured = run_measured(take, 300)
    assert measured.code == 0
    assert measured.output == "took 300000000\n"
    assert 300 < measured.peak_mb < 500
    measured.refuse_costly()


def test_what_is_costly_is_refused():
    with pytest.raises(AssertionError, match="MB, more than 100"):
        run_measured(take, 200).refuse_costly(most_mb=100)
    with pytest.raises(AssertionError, match=r"processor seconds, more than 0\.5"):
        run_measured(burn, 1.5).refuse_costly(most_seconds=0.5)


def test_a_command_is_measured_with_its_exit_code():
    measured = run_measured(["-m", "demur", "--nothing"])
    assert measured.code == 2
    assert "No such option" in measured.output
