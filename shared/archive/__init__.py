"""The log of record: every record of every topic, in compressed files per topic and hour, each record in one file.

A process of its own (`python -m shared.archive`) without a database: what has been archived follows from the names of
the files. Rebuilding a service reads them (`shared.rebuild`).
"""
