"""Uids and owners that are one, in the spellings in which programs leave them."""

UUID = "550e8400-e29b-41d4-a716-446655440000"

SAME_UID = [
    *(("1001", spelled) for spelled in ("+1001", "1001.", "1001.00", "1,001", '="1001"', "'1001", "1.001e+03", "1.0010e+03")),
    *(("1001", spelled) for spelled in ("1001.0", "1001.000", "1,001.00", "1.001e+003", '="1,001"', '=" 1001 "')),
    ("1234567890123", "1.234567890123E+12"),
    ("-1234567", "-1,234,567"),
    ("p2", "p2\u200b"),
    ("p2", "\u200ep2"),
    ("p2", '="p2"'),
    ("caf\u00e9", "cafe\u0301"),
    ("cafe\u0301", "caf\u00e9"),
    ("\u00e9t\u00e9", "e\u0301t\u00e9"),
    (UUID, "0x550E8400E29B41D4A716446655440000"),
    (UUID, "550e8400-E29B-41d4-A716-446655440000"),
    (UUID, "{550E8400-e29b-41d4-a716-446655440000}"),
    (UUID, f"URN:UUID:{UUID}"),
    ("photo-12/./a", "photo-12/a"),
]
"""An entry, and how a manifest spells what it excludes."""
