"""Sabotaged twins: each module breaks one promise of the runtime and then runs a service as it is otherwise.

They exist to be caught. `python -m tests.chaos.sabotage.<name>` stands in for `python -m services.<service>`. Nothing
in the product knows of them or can be switched to behave like them.
"""
