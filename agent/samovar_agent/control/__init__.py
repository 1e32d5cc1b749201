"""The control socket: typed requests over ZeroMQ."""
