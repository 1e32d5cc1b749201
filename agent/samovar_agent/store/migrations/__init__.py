"""Numbered changes of the schema. A migration that was released is never edited; a new one is appended."""
