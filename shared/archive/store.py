"""Where the files lie: a folder, S3 or another object store, by one interface that can create what is not there yet."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 30.0
"""For one request; afterwards nobody knows whether it was done, and the next attempt finds out."""


class StoreTrouble(Exception):
    """The store does not answer, or refused; trying again is the remedy unless the message says another one."""


class Store:
    """The files of one archive. `url` is `file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`.

    Credentials and addresses come from where each provider's own tools take them: `AWS_ACCESS_KEY_ID`, `AWS_REGION`, ….
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._store = from_url(url)

    async def create(self, path: str, data: bytes) -> bool:
        """Write a file whole, unless there is one of that name; return whether it was written."""
        try:
            await self._put(path, data, "create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError, TimeoutError) as error:
            raise StoreTrouble(_first_line(error)) from error
        if self._folder:
            await asyncio.to_thread(_sync, self._folder / path)
        return True

    async def replace(self, path: str, data: bytes) -> None:
        """Write a file, whatever is there."""
        try:
            await self._put(path, data, "overwrite")
        except (BaseError, OSError, TimeoutError) as error:
            raise StoreTrouble(_first_line(error)) from error

    async def get(self, path: str) -> bytes | None:
        """Return a file, None when there is none of that name."""
        try:
            async with asyncio.timeout(SECONDS):
                return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError, TimeoutError) as error:
            raise StoreTrouble(_first_line(error)) from error

    async def size(self, path: str) -> int | None:
        """Return how many bytes a file has, None when there is none of that name."""
        try:
            async with asyncio.timeout(SECONDS):
                return (await obstore.head_async(self._store, path))["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError, TimeoutError) as error:
            raise StoreTrouble(_first_line(error)) from error

    async def paths(self, folder: str) -> AsyncIterator[tuple[str, int]]:
        """Yield every file below a folder with its size, in no particular order."""
        try:
            async for page in obstore.list(self._store, folder):
                for each in page:
                    yield each["path"], each["size"]
        except (BaseError, OSError) as error:
            raise StoreTrouble(_first_line(error)) from error

    async def _put(self, path: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        async with asyncio.timeout(SECONDS):
            # in one request: what is put together of several parts cannot be "only if it is not there"
            await obstore.put_async(self._store, path, data, mode=mode, use_multipart=False)


def _sync(path: Path) -> None:
    """See to it that a file and its name outlive a power cut."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
