"""What certificate the connections of one client are shown: two_connections.py HOST PORT CA

Prints the serial number that a first connection was shown, and for each line it is given: the status of another request on
that first connection, and the serial number that a new connection is shown.
"""

import http.client
import ssl
import sys


def connect(host, port, authority):
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(host, int(port), context=context)
    connection.connect()
    return connection, connection.sock.getpeercert()["serialNumber"]


def ask(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status


first, serial = connect(*sys.argv[1:])
print(ask(first), serial, flush=True)
for _ in sys.stdin:
    second, serial = connect(*sys.argv[1:])
    print(ask(first), serial, flush=True)
    second.close()
