"""The life of every resource, through the official SDK: resources.py BASE_URL ACCOUNT_SID AUTH_TOKEN PHONES CALL COUNT

Makes COUNT of each, lists all there are page by page while more are made, finds one, changes it, fetches it, deletes it, and
asks for what is wrong. What can only be read is read the same way. Phones at the address PHONES ring for ever; the call CALL
has many events. Prints what came of it as JSON: for each resource how many were listed. resources.js is the same in another
language.
"""

import json
import sys
from datetime import date

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

PASSWORD = "Sesame123456"
URL = "https://app.example.test/voice"
RENAMED = {"friendly_name": "renamed"}


class Life:
    """What a resource is made, changed and found by. `make` and `wrong` are arguments of its creation."""

    def __init__(self, list, make, change, wrong, code, find=None, create=None, one=None, end="delete", count=None):
        self.list, self.make, self.change, self.wrong, self.code = list, make, change, wrong, code
        self.find, self.one, self.end, self.count = find, one or list, end, count
        self.create = create or list.create


def lives(client, prefix, phones):
    sip = client.sip
    domain = sip.domains.create(domain_name=f"{prefix}.sip.twilio.com")
    addresses = sip.ip_access_control_lists.create(friendly_name=f"{prefix} addresses")
    (many,) = [found for found in sip.credential_lists.list() if found.friendly_name == "many"]
    taken = iter([sip.credential_lists.create(friendly_name=f"{prefix} {n}").sid for n in range(8)])
    crowd = client.conferences("crowd").participants

    def conference(**new):
        room = client.conferences(new.pop("room")).participants.create(**new)
        return client.conferences(room.conference_sid).fetch()

    def phone(n, **more):
        return {"to": f"sip:{prefix}{n}@{phones}", "from_": "desk", "early_media": False, **more}

    return {
        "queues": Life(client.queues, lambda n: {"friendly_name": f"{prefix} {n}"}, {"max_size": 7}, {"friendly_name": ""}, 20002),
        "applications": Life(
            client.applications,
            lambda n: {"friendly_name": f"{prefix} {n}", "voice_url": URL},
            RENAMED,
            {"voice_url": "/voice"},
            21402,
            find=lambda n: {"friendly_name": f"{prefix} {n}"},
        ),
        "numbers": Life(
            client.incoming_phone_numbers,
            lambda n: {"phone_number": f"+1{len(prefix)}005{n:06}"},
            RENAMED,
            {"phone_number": "five"},
            21401,
            find=lambda n: {"phone_number": f"+1{len(prefix)}005{n:06}"},
        ),
        "calls": Life(
            client.calls,
            lambda n: {"to": f"sip:{prefix}{n}@{phones}", "from_": "desk", "url": URL},
            {"status": "canceled"},
            {"to": "sip:a@127.0.0.1", "from_": "desk"},
            21205,
            find=lambda n: {"to": f"sip:{prefix}{n}@{phones}"},
        ),
        "conferences": Life(
            client.conferences,
            lambda n: phone(n, room=f"{prefix} {n}"),
            {"status": "completed"},
            {"room": f"{prefix} 0", "from_": "desk", "to": ""},
            21201,
            find=lambda n: {"friendly_name": f"{prefix} {n}", "status": "init", "date_created": date.today()},
            create=conference,
            end=None,
        ),
        "participants": Life(
            crowd,
            lambda n: phone(n, muted=n == 0),
            {"muted": False},
            {"to": f"sip:a@{phones}", "from_": "desk", "label": "a/b"},
            16024,
            find=lambda n: {"muted": True},
        ),
        "keys": Life(client.keys, lambda n: {"friendly_name": f"{prefix} {n}"}, RENAMED, {"friendly_name": "x" * 65}, 20002, create=client.new_keys.create),
        "signing keys": Life(
            client.signing_keys, lambda n: {"friendly_name": f"{prefix} {n}"}, RENAMED, {"friendly_name": "x" * 65}, 20002, create=client.new_signing_keys.create
        ),
        "accounts": Life(
            client.api.v2010.accounts,
            lambda n: {"friendly_name": f"{prefix} {n}"},
            RENAMED,
            {"friendly_name": "x" * 65},
            20002,
            find=lambda n: {"friendly_name": f"{prefix} {n}", "status": "active"},
            end="close",
        ),
        # Made by asking for their validation, which here is the account's word.
        "caller ids": Life(
            client.outgoing_caller_ids,
            lambda n: {"phone_number": f"+1{len(prefix)}006{n:06}"},
            RENAMED,
            {"phone_number": "five"},
            21401,
            find=lambda n: {"phone_number": f"+1{len(prefix)}006{n:06}"},
            create=lambda **new: (client.validation_requests.create(**new), *client.outgoing_caller_ids.list(**new))[1],
        ),
        "domains": Life(sip.domains, lambda n: {"domain_name": f"{prefix}-{n}.sip.twilio.com"}, RENAMED, {"domain_name": "elsewhere.test"}, 21231),
        "credential lists": Life(sip.credential_lists, lambda n: {"friendly_name": f"{prefix} list {n}"}, RENAMED, {"friendly_name": ""}, 21240),
        "credentials": Life(
            sip.credential_lists(many.sid).credentials,
            lambda n: {"username": f"{prefix}{n}", "password": PASSWORD},
            {"password": PASSWORD + "7"},
            {"username": "weak", "password": "weak"},
            21243,
        ),
        "address lists": Life(sip.ip_access_control_lists, lambda n: {"friendly_name": f"{prefix} list {n}"}, RENAMED, {"friendly_name": ""}, 21235),
        "addresses": Life(
            sip.ip_access_control_lists(addresses.sid).ip_addresses,
            lambda n: {"friendly_name": f"{prefix} {n}", "ip_address": f"10.1.0.{n}"},
            RENAMED,
            {"friendly_name": "a", "ip_address": "10.1.0"},
            21238,
        ),
        **{
            name: Life(mappings, lambda n: {"credential_list_sid": next(taken)}, None, {"credential_list_sid": "CL" + "0" * 32}, 21240, count=1)
            for name, mappings in {
                "mappings": sip.domains(domain.sid).credential_list_mappings,
                "registration mappings": sip.domains(domain.sid).auth.registrations.credential_list_mappings,
            }.items()
        },
        "address mappings": Life(
            sip.domains(domain.sid).auth.calls.ip_access_control_list_mappings,
            lambda n: {"ip_access_control_list_sid": sip.ip_access_control_lists.create(friendly_name=f"{prefix} map {n}").sid},
            None,
            {"ip_access_control_list_sid": "AL" + "0" * 32},
            21235,
            count=1,
        ),
    }


def name(row):
    """What is one row's only."""
    return getattr(row, "sid", None) or row.call_sid


def refusal(ask):
    try:
        ask()
    except TwilioRestException as error:
        return error.status, error.code
    except TwilioException as error:  # what this SDK makes of a list that is refused
        answer = error.args[1]
        return answer.status_code, json.loads(answer.text)["code"]
    raise AssertionError("not refused")


def paged(rows, arrive, name=name):
    """All rows, read page by page while others arrive: nothing twice, nothing left out; what is new is on the first page."""
    before = [name(row) for row in rows.list(page_size=1000)]
    seen, arrived = [], []
    page = rows.page(page_size=max(1, len(before) // 10))
    while page is not None:
        seen += [name(row) for row in page]
        if len(arrived) < 3:
            arrived.append(name(arrive(len(arrived))))
        page = page.next_page()
    assert seen[-len(before) :] == before, f"{len(seen)} of {len(before)}, in order"
    assert not set(seen[: -len(before)]) & {*before, *arrived}, "new before it was read"
    return before, arrived


def live(life, count):
    count = life.count or count
    made = [life.create(**life.make(n)) for n in range(count)]
    before, arrived = paged(life.list, lambda n: life.create(**life.make(count + n)))
    assert set(before) >= {name(row) for row in made}, "all that was made is listed"
    assert arrived[-1] in {name(row) for row in life.list.list(limit=5)}, "what is new comes first"

    one = life.one(name(made[0]))
    assert name(one.fetch()) == name(made[0])
    if life.find:
        assert [name(row) for row in life.list.list(**life.find(0))] == [name(made[0])], "found by a filter"
    if life.change:
        changed = one.update(**life.change)
        shown = one.fetch()
        for field, value in life.change.items():
            if field != "password":
                assert getattr(shown, field) == value == getattr(changed, field), field
    assert refusal(lambda: life.create(**life.wrong)) == (400, life.code), life.wrong
    nobody = life.one(name(made[0])[:2] + "0" * 32)
    assert refusal(nobody.fetch) == (404, 20404)
    if life.end == "close":
        assert one.update(status="closed").status == "closed"
    elif life.end == "delete":
        assert one.delete()
        assert refusal(one.fetch) == (404, 20404), "it is gone"
        assert refusal(one.delete) == (404, 20404), "and stays gone"
    return len(before)


def reads(client, prefix, phones, call):
    """What happens and what there is to be had: lists that can only be read."""
    wrong = {"to": f"sip:{prefix}@{phones}", "from_": "desk", "url": URL, "status_callback": URL, "status_callback_event": ["never"]}
    notifications, calls = paged(client.notifications, lambda _: client.calls.create(**wrong))
    told = client.calls(calls[0]).notifications
    (one,) = told.list(log=0, message_date=date.today())
    assert one.error_code == "21626"
    assert told.list(log=1) == []
    assert told(one.sid).fetch().sid == client.notifications(one.sid).fetch().sid == one.sid
    assert one.sid in {found.sid for found in client.notifications.list(limit=50, log=0, message_date=date.today())}
    assert client.notifications.list(limit=1, message_date_before="2020-01-01") == []
    assert refusal(lambda: client.notifications("NO" + "0" * 32).fetch()) == (404, 20404)
    assert refusal(lambda: client.notifications.list(log=7)) == (400, 20001)

    # Oldest first: those that come later are at the end, and on the last page.
    events = client.calls(call).events
    seen = [row.request["url"] for row in events.stream(page_size=100)]
    assert all(url.endswith(".json") for url in seen) and seen[0].endswith("/Calls.json")
    assert refusal(lambda: client.calls("CA" + "0" * 32).events.list()) == (404, 20404)

    available = client.available_phone_numbers("US").local
    numbers = [row.phone_number for row in available.stream(page_size=100)]
    assert len(set(numbers)) == len(numbers)
    assert [row.phone_number for row in available.list(contains=numbers[3][2:])] == [numbers[3]]
    assert refusal(lambda: client.available_phone_numbers("XX").local.list()) == (404, 20404)
    return {"notifications": len(notifications), "events": len(seen), "available numbers": len(numbers)}


def main(base_url, account_sid, auth_token, phones, call, count):
    client = Client(account_sid, auth_token)
    client.api.base_url = base_url
    told = {}
    for resource, life in lives(client, "python", phones).items():
        try:
            told[resource] = live(life, int(count))
        except Exception as error:
            raise AssertionError(f"{resource}: {error}") from error
    told.update(reads(client, "python", phones, call))
    stranger = Client(account_sid, "wrong")
    stranger.api.base_url = base_url
    assert refusal(stranger.queues("QU" + "0" * 32).fetch) == (401, 20003)
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
