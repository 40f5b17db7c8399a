"""Detectors: one file each, found by their `PLUGIN`; `services/health/detector.py` says what one is."""
