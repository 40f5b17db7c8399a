"""Never a hang: what a stack promises while a part of its world is frozen, swallowed or silent, and right after."""
