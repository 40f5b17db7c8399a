"""The commands, a file per subject; each builds its part of the `kizuna` app."""
