"""The life of every resource, through the official SDK: resources.py BASE_URL ACCOUNT_SID AUTH_TOKEN COUNT

Makes COUNT of each (or as many as there may be), lists them page by page while more are made, finds one, changes it, fetches
it, deletes it, and asks for what is wrong. Prints what came of it as JSON: for each resource how many were listed.
resources.js is the same in another language.
"""

import itertools
import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

PASSWORD = "Sesame123456"


class Life:
    """What a resource is made, changed and found by. `make` and `wrong` are arguments of its creation."""

    def __init__(self, list, make, change, wrong, code, count=None, find=None, create=None, one=None, end=None):
        self.list, self.make, self.change, self.wrong, self.code = list, make, change, wrong, code
        self.count, self.find, self.one = count, find, one or list
        self.create = create or list.create
        self.end = end or (lambda context: context.delete())


def lives(client, prefix):
    sip = client.sip
    domain = sip.domains.create(domain_name=f"{prefix}.sip.twilio.com")
    credentials = sip.credential_lists.create(friendly_name=f"{prefix} credentials")
    addresses = sip.ip_access_control_lists.create(friendly_name=f"{prefix} addresses")
    url = "https://app.example.test/voice"
    lists = [sip.credential_lists.create(friendly_name=f"{prefix} {n}").sid for n in range(8)]
    taken = iter(lists)
    renamed = {"friendly_name": "renamed"}
    return {
        "queues": Life(client.queues, lambda n: {"friendly_name": f"{prefix} {n}"}, {"max_size": 7}, {"friendly_name": ""}, 20002),
        "applications": Life(
            client.applications,
            lambda n: {"friendly_name": f"{prefix} {n}", "voice_url": url},
            renamed,
            {"voice_url": "/voice"},
            21402,
            60,
            find=lambda n: {"friendly_name": f"{prefix} {n}"},
        ),
        "numbers": Life(
            client.incoming_phone_numbers,
            lambda n: {"phone_number": f"+1{len(prefix)}005{n:06}"},
            renamed,
            {"phone_number": "five"},
            21401,
            find=lambda n: {"phone_number": f"+1{len(prefix)}005{n:06}"},
        ),
        "calls": Life(
            client.calls,
            lambda n: {"to": f"sip:{prefix}{n}@127.0.0.1:9", "from_": "desk", "url": url},
            {"status": "canceled"},
            {"to": "sip:a@127.0.0.1", "from_": "desk"},
            21205,
            find=lambda n: {"to": f"sip:{prefix}{n}@127.0.0.1:9"},
        ),
        "keys": Life(client.keys, lambda n: {"friendly_name": f"{prefix} {n}"}, renamed, {"friendly_name": "x" * 65}, 20002, 60, create=client.new_keys.create),
        "accounts": Life(
            client.api.v2010.accounts,
            lambda n: {"friendly_name": f"{prefix} {n}"},
            renamed,
            {"friendly_name": "x" * 65},
            20002,
            60,
            find=lambda n: {"friendly_name": f"{prefix} {n}"},
            end=lambda context: context.update(status="closed").status == "closed",
        ),
        "domains": Life(
            sip.domains, lambda n: {"domain_name": f"{prefix}-{n}.sip.twilio.com"}, renamed, {"domain_name": "elsewhere.test"}, 21231, 30
        ),
        "credential lists": Life(sip.credential_lists, lambda n: {"friendly_name": f"{prefix} list {n}"}, renamed, {"friendly_name": ""}, 21240, 30),
        "credentials": Life(
            sip.credential_lists(credentials.sid).credentials,
            lambda n: {"username": f"{prefix}{n}", "password": PASSWORD},
            {"password": PASSWORD + "7"},
            {"username": "weak", "password": "weak"},
            21243,
            60,
        ),
        "address lists": Life(sip.ip_access_control_lists, lambda n: {"friendly_name": f"{prefix} list {n}"}, renamed, {"friendly_name": ""}, 21235, 30),
        "addresses": Life(
            sip.ip_access_control_lists(addresses.sid).ip_addresses,
            lambda n: {"friendly_name": f"{prefix} {n}", "ip_address": f"10.1.0.{n}"},
            renamed,
            {"friendly_name": "a", "ip_address": "10.1.0"},
            21238,
            20,
        ),
        "mappings": Life(
            sip.domains(domain.sid).auth.registrations.credential_list_mappings,
            lambda n: {"credential_list_sid": next(taken)},
            None,
            {"credential_list_sid": "CL" + "0" * 32},
            21240,
            4,
        ),
    }


def refusal(ask):
    try:
        ask()
    except TwilioRestException as error:
        return error.status, error.code
    raise AssertionError("not refused")


def live(life, prefix, count):
    count = min(count, life.count or count)
    made = [life.create(**life.make(n)) for n in range(count)]
    before = {found.sid for found in life.list.list()}
    assert before >= {row.sid for row in made}, "all that was made is listed"
    # Page by page, while others arrive.
    pages = life.list.stream(page_size=max(2, count // 10))
    seen = [row.sid for row in itertools.islice(pages, count // 2)]
    arrived = [life.create(**life.make(count + n)).sid for n in range(3)]
    seen += [row.sid for row in pages]
    assert len(seen) == len(set(seen)), "nothing twice"
    assert set(seen) == before, "nothing left out, and nothing that came later"
    assert arrived[-1] in {row.sid for row in life.list.list(limit=5)}, "what is new comes first"

    one = life.one(made[0].sid)
    assert one.fetch().sid == made[0].sid
    if life.find:
        assert [row.sid for row in life.list.list(**life.find(0))] == [made[0].sid], "found by a filter"
    if life.change:
        changed = one.update(**life.change)
        shown = one.fetch()
        for name, value in life.change.items():
            if name != "password":
                assert getattr(shown, name) == value == getattr(changed, name), name
    assert refusal(lambda: life.create(**life.wrong)) == (400, life.code), life.wrong
    nobody = life.one(made[0].sid[:2] + "0" * 32)
    assert refusal(nobody.fetch) == (404, 20404)
    assert life.end(one)
    if not isinstance(life.list, type(life.list._version.accounts)):
        assert refusal(one.fetch) == (404, 20404), "it is gone"
        assert refusal(one.delete) == (404, 20404), "and stays gone"
    return len(seen)


def main(base_url, account_sid, auth_token, count):
    client = Client(account_sid, auth_token)
    client.api.base_url = base_url
    told = {}
    for name, life in lives(client, "python").items():
        try:
            told[name] = live(life, "python", int(count))
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
    # A caller ID is made by asking for its validation, which here is the account's word.
    number = "+15005567777"
    client.validation_requests.create(phone_number=number, friendly_name="mobile")
    (mine,) = client.outgoing_caller_ids.list(phone_number=number)
    assert client.outgoing_caller_ids(mine.sid).update(friendly_name="renamed").friendly_name == "renamed"
    assert client.outgoing_caller_ids(mine.sid).delete()
    assert client.outgoing_caller_ids.list(phone_number=number) == []
    stranger = Client(account_sid, "wrong")
    stranger.api.base_url = base_url
    assert refusal(stranger.queues("QU" + "0" * 32).fetch) == (401, 20003)
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
