"""Stand-ins, each saying what it was held against."""
