"""What a client can ask the agent for, whichever way it came: one handler file a request of the protocol."""
