"""A microscope to test against: crystals, damage, scan, and the truth."""
