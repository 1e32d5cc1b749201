"""The endpoints that speak as Anthropic's API does."""
