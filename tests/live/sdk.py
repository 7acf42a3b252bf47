"""Drives a bridge with the official SDK and prints what it understood as JSON.

    sdk.py BASE_URL ACCOUNT_SID AUTH_TOKEN conferences | participants CF | calls [page_size=N]
                                           | update CF CA field=value... | remove CF CA | complete CF | fetch CF
                                           | tune CF CA [Parameter=value]...
"""

import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


def fields(resource, *names):
    return {name: getattr(resource, name) for name in names}


def participant(resource):
    return fields(
        resource, "call_sid", "status", "muted", "hold", "coaching", "call_sid_to_coach", "date_created", "date_updated"
    )


def conference(resource):
    return fields(resource, "sid", "friendly_name", "status", "date_created", "reason_conference_ended")


def value(text):
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)


def run(client, action, *arguments):
    plain = [argument for argument in arguments if "=" not in argument]
    named = {name: value(text) for name, text in (a.split("=", 1) for a in arguments if "=" in a)}
    if action == "conferences":
        return [conference(found) for found in client.conferences.list(**named)]
    if action == "calls":
        return [fields(call, "sid", "status", "direction", "start_time") for call in client.calls.list(**named)]
    room = client.conferences(plain[0])
    if action == "participants":
        return [participant(found) for found in room.participants.list(**named)]
    if action == "update":
        return participant(room.participants(plain[1]).update(**named))
    if action == "tune":
        # No resource of Twilio's: through the client itself, as its users reach what the SDK does not know.
        path = f"/2010-04-01/Accounts/{client.account_sid}/Conferences/{plain[0]}/Participants/{plain[1]}/Tuning.json"
        data = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
        answer = client.request("POST" if data else "GET", client.api.base_url + path, data=data or None)
        return {"http": answer.status_code, **json.loads(answer.text)}
    if action == "remove":
        return room.participants(plain[1]).delete()
    if action == "complete":
        return conference(room.update(status="completed"))
    if action == "fetch":
        try:
            return conference(room.fetch())
        except TwilioRestException as error:
            return {"status": error.status, "code": error.code, "message": error.msg}
    raise SystemExit(f"no such action: {action}")


def main(base_url, account_sid, auth_token, action, *arguments):
    client = Client(account_sid, auth_token)
    client.api.base_url = base_url
    print(json.dumps(run(client, action, *arguments), default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
