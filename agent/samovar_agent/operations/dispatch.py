"""Which handler serves which request: one exhaustive match, so that the type checker finds a forgotten one.

A handler that has to wait for nothing is a plain function, and its answer goes out without a task in between.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_never

from samovar_agent.operations.call import Call
from samovar_agent.operations.handlers import (
    cancel,
    catalog,
    catalog_refresh,
    chat,
    config_get,
    config_ls,
    config_set,
    conversation_change,
    conversation_create,
    conversation_delete,
    conversation_rename,
    conversation_show,
    conversations,
    docs_add,
    docs_ask,
    docs_change,
    docs_collections,
    docs_create,
    docs_delete,
    docs_export,
    docs_import,
    docs_ls,
    docs_retry,
    docs_rm,
    docs_search,
    docs_text,
    docs_watch,
    doctor,
    down,
    download_cancel,
    download_ls,
    download_pause,
    download_resume,
    embed,
    get,
    hello,
    import_,
    load,
    ls,
    network_journal,
    options,
    ping,
    ps,
    rerank,
    rm,
    search,
    status,
    token_create,
    token_ls,
    token_revoke,
    unload,
    verify,
)
from samovar_protocol import requests
from samovar_protocol.replies import Reply


def dispatch(call: Call, request: requests.AnyRequest) -> Reply | Coroutine[Any, Any, Reply]:
    """The answer to one request, or what will become it; either raises `SamovarError`."""
    match request:
        case requests.Cancel():
            return cancel.handle(call, request)
        case requests.Chat():
            return chat.handle(call, request)
        case requests.ConfigGet():
            return config_get.handle(call, request)
        case requests.ConfigLs():
            return config_ls.handle(call, request)
        case requests.ConfigSet():
            return config_set.handle(call, request)
        case requests.Doctor():
            return doctor.handle(call, request)
        case requests.Down():
            return down.handle(call, request)
        case requests.Embed():
            return embed.handle(call, request)
        case requests.Get():
            return get.handle(call, request)
        case requests.Hello():
            return hello.handle(call, request)
        case requests.Import():
            return import_.handle(call, request)
        case requests.Load():
            return load.handle(call, request)
        case requests.Ls():
            return ls.handle(call, request)
        case requests.Ping():
            return ping.handle(call, request)
        case requests.Ps():
            return ps.handle(call, request)
        case requests.Rerank():
            return rerank.handle(call, request)
        case requests.Rm():
            return rm.handle(call, request)
        case requests.Status():
            return status.handle(call, request)
        case requests.TokenCreate():
            return token_create.handle(call, request)
        case requests.TokenLs():
            return token_ls.handle(call, request)
        case requests.TokenRevoke():
            return token_revoke.handle(call, request)
        case requests.Unload():
            return unload.handle(call, request)
        case requests.Catalog():
            return catalog.handle(call, request)
        case requests.CatalogRefresh():
            return catalog_refresh.handle(call, request)
        case requests.DownloadCancel():
            return download_cancel.handle(call, request)
        case requests.DownloadLs():
            return download_ls.handle(call, request)
        case requests.DownloadPause():
            return download_pause.handle(call, request)
        case requests.DownloadResume():
            return download_resume.handle(call, request)
        case requests.NetworkJournal():
            return network_journal.handle(call, request)
        case requests.Options():
            return options.handle(call, request)
        case requests.Search():
            return search.handle(call, request)
        case requests.Verify():
            return verify.handle(call, request)
        case requests.DocsCollections():
            return docs_collections.handle(call, request)
        case requests.DocsCreate():
            return docs_create.handle(call, request)
        case requests.DocsChange():
            return docs_change.handle(call, request)
        case requests.DocsDelete():
            return docs_delete.handle(call, request)
        case requests.DocsLs():
            return docs_ls.handle(call, request)
        case requests.DocsRm():
            return docs_rm.handle(call, request)
        case requests.DocsWatch():
            return docs_watch.handle(call, request)
        case requests.DocsRetry():
            return docs_retry.handle(call, request)
        case requests.DocsText():
            return docs_text.handle(call, request)
        case requests.Conversations():
            return conversations.handle(call, request)
        case requests.ConversationCreate():
            return conversation_create.handle(call, request)
        case requests.ConversationShow():
            return conversation_show.handle(call, request)
        case requests.ConversationRename():
            return conversation_rename.handle(call, request)
        case requests.ConversationChange():
            return conversation_change.handle(call, request)
        case requests.ConversationDelete():
            return conversation_delete.handle(call, request)
        case requests.DocsAdd():
            return docs_add.handle(call, request)
        case requests.DocsSearch():
            return docs_search.handle(call, request)
        case requests.DocsAsk():
            return docs_ask.handle(call, request)
        case requests.DocsExport():
            return docs_export.handle(call, request)
        case requests.DocsImport():
            return docs_import.handle(call, request)
        case _:
            assert_never(request)
