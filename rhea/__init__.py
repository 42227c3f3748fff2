"""Rhea, the text-to-image model bundled with Demur: a small cousin of Emu (arXiv 2309.15807) that trains on what was not opted out."""
