"""The tray: an icon that says how the agent is, and a menu over what it can do. A thin client in its own process."""
