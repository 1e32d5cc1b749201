"""The endpoints that speak as OpenAI's API does."""
