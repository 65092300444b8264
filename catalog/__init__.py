"""The searchable view: a projection of the custody log, the openings and the result objects. It can be thrown away."""
