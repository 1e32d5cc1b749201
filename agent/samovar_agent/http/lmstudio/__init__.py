"""The endpoints that speak as LM Studio's own REST API does, versions 0 and 1."""
