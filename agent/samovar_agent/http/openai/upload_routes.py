"""OpenAI's files and vector stores: their part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.http.front import Route
from samovar_agent.http.openai.file_upload import UploadForm
from samovar_agent.http.openai.files import FileDeleted, FileObject, Files, FilesQuery
from samovar_agent.http.openai.listing import Listed, ListQuery
from samovar_agent.http.openai.vector_store_files import StoreFiles, StoreFilesQuery
from samovar_agent.http.openai.vector_store_objects import BatchObject, Deleted, Page, StoreFileObject, StoreObject
from samovar_agent.http.openai.vector_store_requests import (
    AttachFile,
    ChangeFile,
    ChangeStore,
    CreateBatch,
    CreateStore,
)
from samovar_agent.http.openai.vector_store_search import SearchRequest, SearchResults, StoreSearch
from samovar_agent.http.openai.vector_stores import Stores

if TYPE_CHECKING:
    from samovar_agent.services import Services

_STORE = "/v1/vector_stores/{store}"


def upload_routes(services: Services) -> list[Route]:
    """Files, vector stores, files in them, and batches of these."""
    uploaded = UploadedFiles(services.store, services.places.data / "files")
    vector_stores = VectorStores(services.store, services.documents, uploaded)
    attached = StoreFiles(services, vector_stores)
    return [
        *_files(Files(services, uploaded, vector_stores)),
        *_stores(Stores(services, vector_stores), StoreSearch(services)),
        *_attached(attached),
        *_batches(attached),
    ]


def _files(files: Files) -> list[Route]:
    path, one = "/v1/files", "/v1/files/{file}"
    return [
        Route(
            "POST",
            path,
            files.create,
            "documents",
            body="form",
            about="Upload a file.",
            request=UploadForm,
            reply=FileObject,
        ),
        Route(
            "GET",
            path,
            files.ls,
            "documents",
            about="Uploaded files, in portions.",
            request=FilesQuery,
            reply=Listed[FileObject],
        ),
        Route("GET", one, files.find, "documents", about="An uploaded file.", reply=FileObject),
        Route(
            "DELETE",
            one,
            files.delete,
            "documents",
            about="Remove an uploaded file, also from all vector stores.",
            reply=FileDeleted,
        ),
        Route("GET", f"{one}/content", files.content, "documents", about="An uploaded file's bytes.", reply=bytes),
    ]


def _stores(stores: Stores, search: StoreSearch) -> list[Route]:
    path = "/v1/vector_stores"
    return [
        Route(
            "POST",
            path,
            stores.create,
            "documents",
            about="A new collection of documents, with the files that are named.",
            request=CreateStore,
            reply=StoreObject,
        ),
        Route(
            "GET",
            path,
            stores.ls,
            "documents",
            about="Collections of documents, in portions.",
            request=ListQuery,
            reply=Listed[StoreObject],
        ),
        Route("GET", _STORE, stores.find, "documents", about="A collection of documents.", reply=StoreObject),
        Route(
            "POST",
            _STORE,
            stores.change,
            "documents",
            about="Give a collection another name or other metadata.",
            request=ChangeStore,
            reply=StoreObject,
        ),
        Route("DELETE", _STORE, stores.delete, "documents", about="Remove a collection; files stay.", reply=Deleted),
        Route(
            "POST",
            f"{_STORE}/search",
            search.create,
            "documents",
            about="Passages of a collection that fit a query.",
            request=SearchRequest,
            reply=SearchResults,
        ),
    ]


def _attached(attached: StoreFiles) -> list[Route]:
    path, one = f"{_STORE}/files", f"{_STORE}/files/{{file}}"
    return [
        Route(
            "POST",
            path,
            attached.create,
            "documents",
            about="Attach a file; it is read in the background.",
            request=AttachFile,
            reply=StoreFileObject,
        ),
        Route(
            "GET",
            path,
            attached.ls,
            "documents",
            about="Files that are attached, in portions.",
            request=StoreFilesQuery,
            reply=Listed[StoreFileObject],
        ),
        Route("GET", one, attached.find, "documents", about="How far a file is.", reply=StoreFileObject),
        Route(
            "POST",
            one,
            attached.change,
            "documents",
            about="Give an attached file other attributes.",
            request=ChangeFile,
            reply=StoreFileObject,
        ),
        Route(
            "DELETE",
            one,
            attached.delete,
            "documents",
            about="Take a file out of a collection; the file itself stays.",
            reply=Deleted,
        ),
        Route("GET", f"{one}/content", attached.content, "documents", about="What was read of a file.", reply=Page),
    ]


def _batches(attached: StoreFiles) -> list[Route]:
    path, one = f"{_STORE}/file_batches", f"{_STORE}/file_batches/{{batch}}"
    return [
        Route(
            "POST",
            path,
            attached.create_batch,
            "documents",
            about="Attach many files.",
            request=CreateBatch,
            reply=BatchObject,
        ),
        Route("GET", one, attached.find_batch, "documents", about="How far a batch is.", reply=BatchObject),
        Route(
            "POST",
            f"{one}/cancel",
            attached.cancel_batch,
            "documents",
            about="Read no more files of a batch.",
            reply=BatchObject,
        ),
        Route(
            "GET",
            f"{one}/files",
            attached.ls_batch,
            "documents",
            about="Files of a batch, in portions.",
            request=StoreFilesQuery,
            reply=Listed[StoreFileObject],
        ),
    ]
