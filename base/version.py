"""The version of the program; the build reads it from here, so that it is written once."""

VERSION = "0.1.0"
