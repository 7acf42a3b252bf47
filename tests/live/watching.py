"""Asks a bridge by gRPC, knowing nothing but what its reflection says, and follows what happens by gRPC and WebSocket.

    watching.py ACCOUNT_SID AUTH_TOKEN call   GRPC_ADDRESS SERVICE/METHOD MESSAGE
    watching.py ACCOUNT_SID AUTH_TOKEN stream GRPC_ADDRESS SERVICE/METHOD MESSAGE UNTIL
    watching.py ACCOUNT_SID AUTH_TOKEN socket HTTP_ADDRESS QUERY UNTIL

MESSAGE is JSON, and so is what is printed, a line each: the answer, or {"error": its status, "code": REST's code}. A stream and
a socket end with the first event of type UNTIL.
"""

import base64
import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from websockets.sync.client import connect

PATIENCE = 30  # seconds


def say(value):
    print(json.dumps(value), flush=True)


def shown(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def ask(channel, name, message, metadata):
    service, method = name.split("/")
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    found = pool.FindServiceByName(service).FindMethodByName(method)
    asked = json_format.Parse(message, GetMessageClass(found.input_type)())
    make = channel.unary_stream if found.server_streaming else channel.unary_unary
    call = make(
        f"/{name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
    return call(asked, metadata=metadata, timeout=PATIENCE)


def main(account_sid, auth_token, action, address, *rest):
    basic = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
    if action == "socket":
        query, until = rest
        headers = {"Authorization": basic}
        with connect(f"ws://{address}/partyline/v1/events{query}", additional_headers=headers) as socket:
            while True:
                event = json.loads(socket.recv(timeout=PATIENCE))
                say(event)
                if event["type"] == until:
                    return
    with grpc.insecure_channel(address) as channel:
        metadata = [("authorization", basic)]
        try:
            if action == "call":
                say(shown(ask(channel, rest[0], rest[1], metadata)))
                return
            for event in ask(channel, rest[0], rest[1], metadata):
                say(shown(event))
                if event.type == rest[2]:
                    return
        except grpc.RpcError as error:
            codes = [value for name, value in error.trailing_metadata() or () if name == "twilio-error-code"]
            say({"error": error.code().name, "code": int(codes[0]) if codes else None})


if __name__ == "__main__":
    main(*sys.argv[1:])
