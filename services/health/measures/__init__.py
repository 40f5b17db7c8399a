"""The measures: one file each, found at start-up."""
