"""How much may come in, and how long it may take."""

from hypothesis import given
from hypothesis import strategies as st

from front.admission import Bounds, Share, network


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40)), max_size=40))
def test_no_client_and_not_all_together_hold_more_than_their_share(asked: list[tuple[str, int]]):
    share, held = Share(100, 50), dict.fromkeys("abc", 0)
    for client, amount in asked:
        if share.take(client, amount):
            held[client] += amount
        assert max(held.values()) <= 50
        assert sum(held.values()) <= 100
    for client, amount in held.items():
        share.give_back(client, amount)
    assert share.take("a", 50)
    assert share.take("b", 50)


def test_addresses_of_one_household_are_one_client():
    assert len({network(f"2001:db8:1:2:{number}::1") for number in range(16)}) == 1
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") != network("192.0.2.8")
    assert network("") == network(None) == "none"


def test_behind_a_proxy_no_address_has_a_share_of_its_own():
    bounds = Bounds().of_proxies()
    assert Share(bounds.bodies, bounds.client_bodies).take("the proxy", bounds.bodies)
    assert bounds.client_connections is None


def test_a_longer_body_may_take_longer_but_not_for_ever():
    bounds = Bounds()
    assert bounds.body_seconds(0) == bounds.body_s
    assert bounds.body_seconds(25_000_000) > bounds.body_seconds(1_000_000)
    assert bounds.body_seconds(10**12) == bounds.longest_s
