"""One file a request; the file's name is the request's tag."""
