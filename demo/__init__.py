"""A made-up photo platform, Lantern, for trying Demur out: its members, their photos, its OpenID provider and its events.

Nothing that it demonstrates imports it.
"""
