"""Pictures, treated as hostile: the parent side of the sandbox and the plain reports that cross its pipe."""
