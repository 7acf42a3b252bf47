"""An application that listens to calls: ears.py DIRECTORY

Serves wss://127.0.0.1 with the certificate.pem and key.pem of DIRECTORY, at a port which it prints first. Then it prints what it
is sent, a frame a line, with the audio as hexadecimal digits.
"""

import base64
import json
import ssl
import sys

from websockets.sync.server import serve


def listen(socket):
    for text in socket:
        frame = json.loads(text)
        if frame["event"] == "media":
            frame["media"]["payload"] = base64.b64decode(frame["media"]["payload"]).hex()
        print(json.dumps(frame), flush=True)


def main(directory):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{directory}/certificate.pem", f"{directory}/key.pem")
    with serve(listen, "127.0.0.1", 0, ssl=tls) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
