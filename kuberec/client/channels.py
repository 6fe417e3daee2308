"""How a client is connected: addresses, replicas, keep-alive."""

import json
import socket
from collections.abc import Sequence

from kuberec.errors import ConfigError, ServingError

KEEP_ALIVE_SECONDS = 30.0
SILENCE_SECONDS = 5.0
FIRST_RECONNECT_SECONDS = 0.1
LONGEST_RECONNECT_SECONDS = 2.0
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})

Option = tuple[str, str | int]


def address(targets: Sequence[str]) -> str:
    """What gRPC connects to.

    A single target is left to gRPC, which looks its name up again whenever a connection is lost. Several are fixed
    addresses: gRPC takes a list of numbers only, so their names are looked up here, once.

    Raises:
        ConfigError: There is no target, or one of several is not `host:port`.
        ServingError: A name cannot be looked up.
    """
    if not targets:
        raise ConfigError("A client needs the address of a model server, host:port.")
    return targets[0] if len(targets) == 1 else "ipv4:" + ",".join(_look_up(target) for target in targets)


def options(targets: Sequence[str], keep_alive: float) -> list[Option]:
    """The options of a channel to these targets."""
    chosen: list[Option] = [
        ("grpc.service_config", ROUND_ROBIN),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.keepalive_time_ms", _milliseconds(keep_alive)),
        ("grpc.keepalive_timeout_ms", _milliseconds(SILENCE_SECONDS)),
        # The limit that a connected but frozen server meets; gRPC's own default is a minute.
        ("grpc.http2.ping_timeout_ms", _milliseconds(SILENCE_SECONDS)),
        # A replica that comes back is found within seconds; gRPC's own default is two minutes.
        ("grpc.initial_reconnect_backoff_ms", _milliseconds(FIRST_RECONNECT_SECONDS)),
        ("grpc.max_reconnect_backoff_ms", _milliseconds(LONGEST_RECONNECT_SECONDS)),
    ]
    if len(targets) > 1:
        # Else the list of numbers would stand where a server, and its certificate, expect a name.
        chosen.append(("grpc.default_authority", targets[0]))
    return chosen


def _look_up(target: str) -> str:
    host, colon, port = target.rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise ConfigError(f"Each of several replicas is given as host:port, got {target!r}.")
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise ServingError(
            f"The replica {target!r} has no IPv4 address ({error}). Correct the name, or give a single name that leads "
            "to all replicas."
        ) from error
    return f"{found[0][4][0]}:{port}"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
