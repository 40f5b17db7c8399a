"""Owns what a consumer does about its group besides reading: farewells for its former self, a way out when stuck."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shared.kafka import BrokerError
from shared.kafka_admin import forget_group, say_goodbye

if TYPE_CHECKING:
    from shared.cluster import Cluster

log = structlog.get_logger()

ASK_AGAIN_SECONDS = 15.0


class Membership:
    """One process's place in `group`, over all of its sessions."""

    def __init__(self, kafka: Cluster, group: str) -> None:
        self._kafka = kafka
        self._group = group
        self._former = ""  # the name by which the group may still count us
        self._asking: asyncio.Task[None] | None = None

    def ended(self, member: str) -> None:
        """Note the name that we had in the session that has just ended, "" if there was none."""
        self._former = member or self._former

    async def take_leave(self) -> None:
        """Leave as who we were before; if that one could not, the group would wait for it to come back."""
        if self._former:
            try:
                await say_goodbye(self._kafka, self._group, self._former)
            except (BrokerError, TimeoutError) as error:
                log.warning("goodbye_failed", error=repr(error))  # then it takes a session longer, no more
            else:
                self._former = ""

    def unstick(self) -> None:
        """Have the broker forget a group that it does not form; a sound one refuses as long as there are members.

        Where several members go and come at once, the embedded broker may wait for a leader that is gone, for ever.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_to_forget(), name="unstick")

    async def _ask_to_forget(self) -> None:
        try:
            forgotten = await forget_group(self._kafka, self._group)
        except (BrokerError, TimeoutError) as error:
            log.warning("group_not_asked_for", error=repr(error))
        else:
            log.warning("group_not_formed", forgotten=forgotten)
        finally:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
