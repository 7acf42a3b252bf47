"""Would an application take these requests for ours? The validator of the official SDK is asked.

Usage: check_signatures.py AUTH_TOKEN < REQUESTS

REQUESTS has one JSON object a line: {"url": "https://…", "body": "CallSid=CA…", "content_type": "…", "signature": "…"},
the URL as the application sees it, the body empty for a GET. Prints those that are refused and how many there were,
exits 1 if any is refused or there was none. With `--vectors FILE` behind the token the contract's own cases are checked.
"""

import json
import sys
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator


class Form(dict):
    """As web frameworks hand forms over: a name may have several values."""

    def getlist(self, name):
        return self[name]


def is_valid(validator, request):
    """As a web framework would ask: a form as a multi-dictionary, any other body as text."""
    body = request.get("body", "")
    if request.get("content_type", "").startswith("application/json"):
        return validator.validate(request["url"], body, request["signature"])
    form = Form()
    for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body)):
        form.setdefault(name, []).append(value)
    return validator.validate(request["url"], form, request["signature"])


def of_vectors(path):
    """The contract's cases, as requests."""
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    for case in vectors["cases"]:
        body = case.get("body") or urlencode([tuple(pair) for pair in case.get("params", [])])
        content_type = case["content_type"] or ""
        yield {"url": case["url"], "body": body, "content_type": content_type, "signature": case["signature"]}


def main(token, *vectors):
    requests = list(of_vectors(vectors[1])) if vectors else [json.loads(line) for line in sys.stdin if line.strip()]
    validator = RequestValidator(token)
    refused = [request for request in requests if not is_valid(validator, request)]
    for request in refused:
        print("refused:", json.dumps(request, ensure_ascii=False))
    print(f"{len(requests) - len(refused)} of {len(requests)} accepted")
    sys.exit(1 if refused or not requests else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
