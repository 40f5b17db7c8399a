"""What the four services have in common: contracts, the event runtime, access, lifecycle. Imports no service."""
