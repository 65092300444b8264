"""From a drop in a share to a sealed entry."""
