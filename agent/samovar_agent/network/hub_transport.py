"""`huggingface_hub` with its HTTP client replaced; imported when the hub is asked for the first time, in a thread."""

# ruff: noqa: TID251 - one of the few files that may reach other machines

from __future__ import annotations

import httpx2
from huggingface_hub import HfApi, constants, set_client_factory

from samovar_agent.network.hub_call import running

constants.HF_HUB_DISABLE_TELEMETRY = True  # otherwise it looks for torch and asks the hub who may be calling it


class _Transport(httpx2.BaseTransport):
    """Hands each request to the call that its thread belongs to."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        call = running.get()
        # No error of httpx2's own: those the library takes for bad luck, and tries again.
        if call is None or request.method != "GET":
            raise PermissionError(f"nobody asked for {request.url}")
        answer = call.ask(str(request.url))
        return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)


def api(endpoint: str, token: str | None, version: str) -> HfApi:
    """The library, set to our hub and no other."""
    # False, since None would make it look for a token itself, and perhaps renew it at another address.
    return HfApi(endpoint=endpoint, token=token or False, library_name="samovar", library_version=version)


set_client_factory(lambda: httpx2.Client(transport=_Transport(), trust_env=False, follow_redirects=False))
