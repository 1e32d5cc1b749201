"""The only part of the agent that opens connections to other machines."""
