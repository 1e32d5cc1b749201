"""A catalog service over a real store, settings, gate and hub client; only the hub and the network are ours."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from samovar_agent.events import EventBus
from samovar_agent.models.catalog import Catalog, CatalogFile, CatalogModel
from samovar_agent.models.catalog_service import CatalogService
from samovar_agent.models.library import Library
from samovar_agent.models.sources import HubSource, PackageSource, Part, Wanted
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.hub import Hub
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol.values import ModelInfo
from tests.hub_server import HubServer
from tests.samovar_agent.network.conftest import Cable

TINY, PACKED, GONE = "acme/tiny-GGUF", "acme/packed-GGUF", "acme/gone-GGUF"
SMALL, LARGE = b"GGUF" + b"s" * 1000, b"GGUF" + b"l" * 5000
PART_1, PART_2 = b"GGUF" + b"1" * 100, b"GGUF" + b"2" * 200
WEIGHTS = "ab" * 32


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def model(name: str, repository: str, *files: CatalogFile, **facts: object) -> CatalogModel:
    return CatalogModel(
        name=name,
        publisher="Acme",
        title=f"The {name}",
        description=f"{name} for tests",
        hub=HubSource(repository=repository),
        files=list(files),
        **facts,  # type: ignore[arg-type]
    )


def one(quantization: str, name: str, **part: object) -> CatalogFile:
    return CatalogFile(quantization=quantization, parts=[Part(name=name, **part)])  # type: ignore[arg-type]


CATALOG = Catalog(
    [
        model("Tiny", TINY, one("Q4_K_M", "tiny-Q4_K_M.gguf"), aliases=["tiny-1b"], capabilities=["chat"]),
        model(
            "Packed",
            PACKED,
            CatalogFile(
                quantization="Q8_0",
                parts=[Part(name="packed-Q8_0.gguf", size_bytes=len(SMALL), sha256=digest(SMALL))],
                sources=[
                    PackageSource(requirement="packed==1.0", member="packed/packed-Q8_0.gguf"),
                    HubSource(repository=PACKED),
                ],
            ),
            capabilities=["chat"],
        ),
        model(
            "Embedder",
            GONE,
            CatalogFile(
                quantization="Q8_0",
                parts=[Part(name="embedder-Q8_0.gguf")],
                sources=[
                    HubSource(repository=GONE),
                    PackageSource(requirement="e==1", member="e/m", convert="bert", sha256=WEIGHTS, size_bytes=9),
                ],
            ),
            capabilities=["embedding"],
        ),
    ]
)


@dataclass
class FakeLibrary:
    """Only says what is here."""

    models: list[ModelInfo] = field(default_factory=list)

    def ls(self) -> list[ModelInfo]:
        return self.models


@dataclass
class Shop:
    """A service, and all around it. - memory: bytes that are free."""

    service: CatalogService
    http: Http
    hub: HubServer
    store: Store
    settings: SettingsFile
    cable: Cable
    library: FakeLibrary
    memory: int = 8 * 10**9

    async def wanted(
        self,
        name: str,
        *,
        source: str | None = None,
        sha256: str | None = None,
        unverified: bool = False,
    ) -> Wanted:
        return await self.service.wanted(name, source=source, sha256=sha256, unverified=unverified, requester="a test")

    def stock(self) -> None:
        """Put the catalog's files on the hub, and some more."""
        tiny = self.hub.add(
            TINY, {"tiny-Q4_K_M.gguf": SMALL, "tiny-Q8_0.gguf": LARGE, "mmproj-tiny.gguf": b"GGUFm", "README.md": b"#"}
        )
        tiny.downloads, tiny.likes, tiny.licence = 1234, 56, "mit"
        self.hub.add(PACKED, {"packed-Q8_0.gguf": SMALL})
        split = self.hub.add(
            "someone/big-GGUF",
            {
                "Q8/big-Q8_0-00001-of-00002.gguf": PART_1,
                "Q8/big-Q8_0-00002-of-00002.gguf": PART_2,
                "big-Q2_K.gguf": SMALL,
            },
        )
        split.downloads = 99


@asynccontextmanager
async def opened(
    folder: Path, hub: HubServer, *, catalog: Catalog = CATALOG, refresh_seconds: float = 30
) -> AsyncIterator[Shop]:
    settings = SettingsFile(folder / "config.toml", environ={"HF_ENDPOINT": hub.endpoint})
    store = await Store.open(folder / "samovar.db")
    cable, library = Cable(), FakeLibrary()
    gate, http = Gate(settings, store, cable, EventBus()), Http(settings, connect_seconds=2, stall_seconds=2)
    service = CatalogService(
        catalog=catalog,
        store=store,
        hub=Hub(gate, settings, http, environ={}),
        library=cast(Library, library),
        settings=settings,
        free_memory=lambda: shop.memory,
        gate=gate,
        http=http,
        refresh_seconds=refresh_seconds,
    )
    shop = Shop(service, http, hub, store, settings, cable, library)
    try:
        yield shop
    finally:
        await service.close()
        await http.close()
        await store.close()
