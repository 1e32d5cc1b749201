"""Our own API, what the control socket does: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.samovar.document_routes import document_routes
from samovar_agent.http.samovar.downloads import DownloadRequest, Downloads
from samovar_agent.http.samovar.events import Events, EventsQuery
from samovar_agent.http.samovar.network import Network, NetworkRequest
from samovar_agent.http.samovar.protocol_endpoint import protocol_route
from samovar_protocol import FailureCode, requests
from samovar_protocol.replies import DownloadLsReply, DownloadReply, GetReply
from samovar_protocol.values import NetworkInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

_HUB = (
    FailureCode.NETWORK_OFFLINE,
    FailureCode.NETWORK_FAILED,
    FailureCode.GATED,
    FailureCode.MODEL_UNKNOWN,
    FailureCode.BUSY,
)
"""How a question to the hub may fail."""


def routes(services: Services) -> list[Route]:
    """Everything."""
    return [*_agent(services), *_models(services), *_downloads(services), *document_routes(services)]


def _agent(services: Services) -> list[Route]:
    """The agent itself: its state, settings, tokens and network."""
    events, network = Events(services), Network(services)
    setting, base = "/api/samovar/settings/{key}", "/api/samovar"
    return [
        protocol_route(services, "GET", f"{base}/status", requests.Status, "models", "The agent's state at a glance."),
        protocol_route(services, "GET", f"{base}/doctor", requests.Doctor, "admin", "Look for what is wrong."),
        protocol_route(services, "POST", f"{base}/down", requests.Down, "admin", "Stop the agent."),
        Route(
            "GET",
            f"{base}/events",
            events.stream,
            "any token",
            about="Events as they happen: models, downloads, documents, settings, the network.",
            request=EventsQuery,
            stream="text/event-stream",
        ),
        protocol_route(services, "GET", f"{base}/settings", requests.ConfigLs, "admin", "Every setting."),
        protocol_route(
            services,
            "GET",
            setting,
            requests.ConfigGet,
            "admin",
            "One setting, by its dotted key.",
        ),
        protocol_route(
            services, "PATCH", setting, requests.ConfigSet, "admin", "Change a setting; null returns it to its default."
        ),
        protocol_route(services, "GET", f"{base}/tokens", requests.TokenLs, "admin", "API tokens, without secrets."),
        protocol_route(
            services,
            "POST",
            f"{base}/tokens",
            requests.TokenCreate,
            "admin",
            "Make an API token; its secret is shown this once.",
        ),
        protocol_route(
            services,
            "DELETE",
            f"{base}/tokens/{{name:[^/]+}}",
            requests.TokenRevoke,
            "admin",
            "Make a token worthless, also on open streams.",
        ),
        Route(
            "GET",
            f"{base}/network",
            network.show,
            "any token",
            about="What may leave this machine, and whether there is a network.",
            reply=NetworkInfo,
        ),
        Route(
            "PATCH",
            f"{base}/network",
            network.change,
            "admin",
            about="Change what may leave this machine.",
            request=NetworkRequest,
            reply=NetworkInfo,
        ),
        protocol_route(
            services,
            "GET",
            f"{base}/network/journal",
            requests.NetworkJournal,
            "admin",
            "What left this machine, newest first, in portions.",
        ),
    ]


def _models(services: Services) -> list[Route]:
    """Models on this machine, in memory, and to be had."""
    models = "/api/samovar/models"
    return [
        protocol_route(services, "GET", models, requests.Ls, "models", "Models on this machine."),
        protocol_route(
            services,
            "DELETE",
            f"{models}/{{name:.+}}",
            requests.Rm,
            "models",
            "Delete a model; a linked file itself is left alone.",
        ),
        protocol_route(
            services,
            "POST",
            f"{models}/import",
            requests.Import,
            "models",
            "Take a GGUF file of this machine into the library.",
        ),
        protocol_route(
            services,
            "POST",
            f"{models}/verify",
            requests.Verify,
            "models",
            "Read models again and compare their digests.",
        ),
        protocol_route(services, "POST", f"{models}/load", requests.Load, "models", "Bring a model into memory."),
        protocol_route(services, "POST", f"{models}/unload", requests.Unload, "models", "Take models out of memory."),
        protocol_route(
            services,
            "POST",
            f"{models}/estimate",
            requests.Load,
            "models",
            "What loading a model would take, without doing it.",
            estimate_only=True,
            ttl_seconds=None,
            identifier=None,
            force=False,
        ),
        protocol_route(services, "GET", "/api/samovar/instances", requests.Ps, "models", "Models in memory."),
        protocol_route(
            services,
            "GET",
            "/api/samovar/search",
            requests.Search,
            "models",
            "Models on the hub and in the catalog.",
            fails=_HUB,
        ),
        protocol_route(services, "GET", "/api/samovar/catalog", requests.Catalog, "models", "The chosen models."),
        protocol_route(
            services,
            "GET",
            "/api/samovar/catalog/options",
            requests.Options,
            "models",
            "Every file that one model can be downloaded as.",
            fails=(*_HUB, FailureCode.MODEL_AMBIGUOUS, FailureCode.MODEL_UNSUPPORTED),
        ),
        protocol_route(
            services,
            "POST",
            "/api/samovar/catalog/refresh",
            requests.CatalogRefresh,
            "models",
            "Ask the hub for what is new about the chosen models.",
        ),
    ]


def _downloads(services: Services) -> list[Route]:
    downloads = Downloads(services)
    path = "/api/samovar/downloads"
    return [
        Route("GET", path, downloads.ls, "models", about="Downloads, newest first.", reply=DownloadLsReply),
        Route(
            "POST",
            path,
            downloads.create,
            "models",
            about="Download a model, in the background or followed as a stream.",
            request=DownloadRequest,
            reply=GetReply,
            stream="text/event-stream",
        ),
        *(
            Route("POST", f"{path}/{{id}}/{verb}", endpoint, "models", about=about, reply=DownloadReply)
            for verb, endpoint, about in (
                ("pause", downloads.pause, "Stop a download and keep what came."),
                ("resume", downloads.resume, "Go on with a download that was paused or failed."),
                ("cancel", downloads.cancel, "End a download and delete what came."),
            )
        ),
    ]
