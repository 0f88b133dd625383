"""Ports of this machine: one that nobody listens on, and whether one can be had."""

import socket

from weft.core.errors import ConfigError

__all__ = ["check_port", "free_port"]


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(host: str, port: int) -> None:
    """Return if the port can be listened on now.

    Raises:
        ConfigError: It cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop what uses that port, or "
                "choose another one with --port"
            ) from error
