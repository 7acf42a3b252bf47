"""Stands in for grpcurl, which no package of Debian, PyPI or npm has: as much of it as the README types.

    grpcurl.py -plaintext -H HEADER -d MESSAGE ADDRESS SERVICE/METHOD

Whatever else it is given is refused. What it is to ask it knows by reflection only, as grpcurl does.
"""

import argparse
import sys

import grpc
from google.protobuf import json_format

from watching import ask


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", required=True)
    parser.add_argument("-d", required=True)
    parser.add_argument("address")
    parser.add_argument("name")
    asked = parser.parse_args()
    name, _, value = asked.H.partition(":")
    with grpc.insecure_channel(asked.address) as channel:
        answer = ask(channel, asked.name, asked.d, [(name.strip(), value.strip())])
        try:
            for message in answer if hasattr(answer, "__next__") else [answer]:
                print(json_format.MessageToJson(message), flush=True)
        except BrokenPipeError:
            sys.exit()  # nobody reads on
        except grpc.RpcError as error:
            sys.exit(f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}")


if __name__ == "__main__":
    main()
