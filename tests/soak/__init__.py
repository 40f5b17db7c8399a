"""A long, steady load on a whole stack, to see whether anything grows that should not."""
