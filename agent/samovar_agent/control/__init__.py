"""The control socket: typed requests over ZeroMQ, one handler file a request."""
