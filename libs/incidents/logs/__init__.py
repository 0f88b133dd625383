"""Logs in whatever layout people have them, read into one form."""

from incidents.logs.line import LogLine
from incidents.logs.reading import LOG_FORMATS, Logs, read_logs

__all__ = ["LOG_FORMATS", "LogLine", "Logs", "read_logs"]
