"""The live state of a stage. Reads only."""
