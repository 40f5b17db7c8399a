"""Revenue: subscription snapshots, the movement ledger, retention."""
