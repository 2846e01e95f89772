"""One frozen settings object, read from the environment once; everything else gets its values from it."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_home() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/crm-graph")
    return Path.home() / ".local" / "share" / "crm-graph"


_MAPPED_BITS = 96
"""Of an IPv6 address that stands for one of IPv4, what stands before it."""


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks that a text lists. Raises ValueError."""
    return [ip_network(item.strip()) for item in text.split(",") if item.strip()]


class Settings(BaseSettings):
    """What an installation may set. Each value is an environment variable: `CRM_GRAPH_` and the name in capitals.

    The few with a name of their own are those that a platform sets by convention: `DATABASE_URL`,
    `DATABASE_READ_URL`, `HOST`, `PORT`. Times end in their unit.
    """

    model_config = SettingsConfigDict(
        env_prefix="CRM_GRAPH_", frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    database_url: str | None = Field(default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    """PostgreSQL 16 or newer; without one the embedded server is used."""
    database_read_url: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_READ_URL", "database_read_url")
    )
    """A streaming standby for compiled reads; without one they go to `database_url`."""
    replica_max_lag_s: float = Field(default=10.0, gt=0)
    """A replica that is further behind is not read from."""
    host: str = Field(default="127.0.0.1", validation_alias=AliasChoices("HOST", "host"))
    port: int = Field(default=8000, ge=1, le=65_535, validation_alias=AliasChoices("PORT", "port"))
    home: Path = Field(default_factory=_default_home)
    """Where the embedded server keeps its data."""

    time_zone: str = "Asia/Shanghai"
    """The company's zone: where its days, months and years begin."""
    base_currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")
    """ISO 4217; money is summed and ordered in it."""

    issuer: str = ""
    """`iss` of access tokens, the public address of the hub; `http://127.0.0.1:PORT` where it is not set."""
    audience: str = "crm-graph"
    """`aud` that access tokens must carry."""
    token_lifetime_s: int = Field(default=3600, ge=60)
    session_lifetime_s: int = Field(default=8 * 3600, ge=300)
    """How long a sign-in to the console holds."""
    token_requests_per_minute: int = Field(default=60, ge=0)
    """What a client may ask of each OAuth endpoint from one address, and how often it may be wrong there, a tenth of
    how often all of that address may; 0 for no end. Each process counts for itself."""
    trusted_proxies: str = ""
    """The addresses or networks of proxies in front, with commas between: of a request that comes from one of them, the
    right-most address in `X-Forwarded-For` that is none of theirs is who asks."""

    read_pool_size: int = Field(default=8, ge=1)
    write_pool_size: int = Field(default=8, ge=1)
    write_pool_overflow: int = Field(default=8, ge=0)
    pool_wait_s: float = Field(default=5.0, gt=0)
    """How long a request waits for a free connection before it is told UNAVAILABLE."""
    connect_timeout_s: float = Field(default=5.0, gt=0)
    statement_timeout_ms: int = Field(default=10_000, ge=100)
    write_timeout_ms: int = Field(default=30_000, ge=100)
    """The same for writes, whose batches are larger."""
    lock_timeout_ms: int = Field(default=5_000, ge=100)
    transaction_idle_timeout_ms: int = Field(default=60_000, ge=1_000)
    """An open transaction holds back every reader of the event log, so an idle one is ended."""
    transaction_time_limit_ms: int = Field(default=900_000, ge=0)
    """The same for one that is busy, on PostgreSQL 17 or newer; 0 for no end."""
    statement_cache_size: int = Field(default=300, ge=0)
    """Prepared statements per connection, each some 100 kB of the server's memory; 0 behind a pooler that does not know
    them.
    """

    export_connections: int = Field(default=2, ge=1)
    """Exports that one process sends at once, each on a connection of its own beside those of reads."""
    export_fetch_timeout_ms: int = Field(default=60_000, ge=100)
    """For each batch of rows. The first one may have to sort the whole list."""
    export_stall_s: float = Field(default=60.0, gt=0)
    """How long a client may take no byte before its export is given up."""
    export_time_limit_s: int = Field(default=3_600, ge=1)
    """For a whole export: its snapshot holds back the vacuum and every reader of the event log."""

    files_dir: Path | None = None
    """Where the bytes of files are kept; `files` in `home` where it is not set."""
    file_max_bytes: int = Field(default=100 * 1024 * 1024, ge=1)
    """Of one file."""
    file_types: str = ""
    """The media types of files that are taken, with commas between; the usual ones of offices where it is empty."""
    file_transfers: int = Field(default=32, ge=1)
    """Files that one process takes and sends at once."""
    file_stall_s: float = Field(default=30.0, gt=0)
    """How long a client may send or take no byte of a file before it is given up."""
    file_time_limit_s: int = Field(default=1_800, ge=1)
    """For a whole file."""

    page_size: int = Field(default=50, ge=1)
    max_page_size: int = Field(default=200, ge=1)
    max_offset: int = Field(default=10_000, ge=0)
    count_cap: int = Field(default=10_000, ge=1)
    """`totalCount` is exact up to here."""
    feed_page_size: int = Field(default=1_000, ge=1, le=10_000)
    """Changes of one page of the feed, at most."""
    feed_window: int = Field(default=100_000, ge=1_000)
    """Events of the log that one page of the feed looks through."""
    max_depth: int = Field(default=15, ge=1)
    max_cost: int = Field(default=250_000, ge=1)
    """What one operation may cost: about one unit for each row that it may read."""
    cost_per_minute: int = Field(default=6_000_000, ge=0)
    """The budget of a client, or of a person without one; 0 for no end. A client's row may name another."""
    rights_approval: bool = False
    """Edits of rights wait until a second administrator approves them; only taking from a user holds at once."""
    rights_proposal_days: int = Field(default=30, ge=1, le=3_650)
    """How long they wait; then they are not made any more."""
    lookups_per_minute: int = Field(default=60, ge=0)
    """Values that a client, or a person without one, may look up in a minute; 0 for no end."""
    unmasked_per_minute: int = Field(default=10, ge=0)
    """Records that a client, or a person without one, may have unmasked in a minute; 0 for no end."""
    duplicate_checks_per_minute: int = Field(default=30, ge=0)
    """Values that a client, or a person without one, may check for duplicates in a minute; 0 for no end."""
    bulk_read_records: int = Field(default=10_000, ge=0)
    """So many records of one type that somebody reads are written down, and again whenever they have doubled; 0 for
    never.
    """
    bulk_read_window_s: int = Field(default=3_600, ge=1)
    """The time within which they are counted. Each process counts for itself."""
    max_tokens: int = Field(default=5_000, ge=100)
    """Lexical tokens of one GraphQL document."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    token_cache_size: int = Field(default=10_000, ge=1)
    """Verified tokens per process."""
    trusted_documents: Path | None = None
    """A manifest of documents that clients may name by `documentId`."""
    trusted_documents_only: bool = False
    """Answer nothing but trusted documents; GraphiQL and introspection then need theirs to be among them."""
    feed_days: int = Field(default=90, ge=1, le=10_000)
    """How long the event log is kept at least, for who follows it: so far back the feed reaches, and so long its
    cursors hold.
    """
    audit_days: int = Field(default=0, ge=0, le=36_500)
    """How long the event log is kept for histories and auditors; 0 for ever. The longer of the two holds."""
    worker: bool = False
    """Whether `serve` runs a worker beside."""
    worker_memory_mb: int = Field(default=1024, ge=256)
    """A worker that has grown larger starts anew once what it runs is finished; at twice that it is ended at once."""
    worker_id: UUID | None = None
    worker_before: UUID | None = None
    """Who a worker is and who was there before it, as whoever watches over it tells it."""
    idempotency_lifetime_s: int = Field(default=7 * 24 * 3600, ge=60)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone; give an IANA name, such as Asia/Shanghai") from None
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, value: str) -> str:
        for network in _networks(value):
            if network.prefixlen == 0:
                raise ValueError("name the proxies: where everybody is one, whoever asks says who asks")
        return value

    @model_validator(mode="after")
    def _page_sizes_agree(self) -> Self:
        if self.page_size > self.max_page_size:
            raise ValueError("CRM_GRAPH_PAGE_SIZE exceeds CRM_GRAPH_MAX_PAGE_SIZE")
        return self

    @property
    def token_issuer(self) -> str:
        """`issuer`, or the address of a hub that runs on this machine alone."""
        return self.issuer or f"http://127.0.0.1:{self.port}"

    @property
    def file_media_types(self) -> list[str]:
        """`file_types` one by one."""
        return [item.strip() for item in self.file_types.split(",") if item.strip()]

    @property
    def trusted_networks(self) -> list[str]:
        """`trusted_proxies` one by one; those of IPv4 also as a socket for both kinds of addresses tells them."""
        told = []
        for network in _networks(self.trusted_proxies):
            told.append(str(network))
            if isinstance(network, IPv4Network):
                told.append(f"::ffff:{network.network_address}/{_MAPPED_BITS + network.prefixlen}")
        return told

    @property
    def replica_url(self) -> str | None:
        """The standby that compiled reads go to, where there is one."""
        return self.database_read_url if self.database_read_url != self.database_url else None


def load_settings(**overrides: object) -> Settings:
    """The settings of this process; `overrides` win over the environment."""
    return Settings.model_validate({**Settings().model_dump(), **overrides}) if overrides else Settings()
