"""Stands in for the resolver of a network in which twilio.com leads to a bridge: on PYTHONPATH, without a line changed
in the application. A test needs no privilege for it, as a hosts file of its own would."""

import os
import socket

BRIDGE = os.environ.get("TWILIO_LEADS_TO")
PORT = os.environ.get("TWILIO_LEADS_TO_PORT")
resolve = socket.getaddrinfo


def getaddrinfo(host, port, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if BRIDGE and isinstance(name, str) and name.endswith(".twilio.com"):
        host, port = BRIDGE, int(PORT or port)
    return resolve(host, port, *rest, **more)


socket.getaddrinfo = getaddrinfo
