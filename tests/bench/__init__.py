"""`make bench`: throughput beside plain implementations, measured interleaved in the same run."""
