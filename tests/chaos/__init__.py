"""Faults against real processes, and proof that their traces would be seen.

`cluster` is what is struck, `customers` and `feeding` are the load, `faults` strike, `model` says what must hold,
`rest` and `reading` what there is, `judge` compares. `scenes` and `twins` hold one promise each against a service
whose copy in `sabotage` breaks it. `killing` strikes services of a whole stack for the end-to-end tests.
"""
