"""The proxy that a person or their company has set, for the whole machine or in HTTPS_PROXY."""

# ruff: noqa: TID251 - one of the few files that may reach other machines

from __future__ import annotations

import urllib.request

from yarl import URL

from samovar_protocol import FailureCode, SamovarError


def proxy_for(url: URL) -> URL | None:
    """The proxy to reach `url` by, None for the direct way.

    From HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, and on macOS and Windows from the system's settings.
    Raises `network_failed` where the proxy is of a kind that we cannot use.
    """
    proxies = urllib.request.getproxies()
    set_to = proxies.get(url.scheme) or proxies.get("all")
    if not set_to or urllib.request.proxy_bypass(url.host or ""):
        return None
    try:
        proxy = URL(set_to if "://" in set_to else f"http://{set_to}")
        usable = proxy.scheme in ("http", "https") and bool(proxy.host)
    except ValueError:
        usable = False
    if not usable:
        raise SamovarError(
            FailureCode.NETWORK_FAILED,
            f"The proxy that is set for {url.scheme} addresses is not an HTTP proxy.",
            hint="Set HTTPS_PROXY to an address that begins with http://, or unset it.",
        )
    return proxy
