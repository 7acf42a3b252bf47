"""An application as it was written for Twilio: not a word of where a bridge might be."""

import json

from twilio.rest import Client

client = Client()
conference = client.conferences.list(status="in-progress", limit=20)[0]
participants = client.conferences(conference.sid).participants.list()
for participant in participants:
    client.conferences(conference.sid).participants(participant.call_sid).update(muted=True)
# More than a page: the second one is asked for where the first one says.
calls = client.calls.list(page_size=1)
application = client.applications.create(friendly_name="moved", voice_url="https://app.example.test/voice")
application.update(friendly_name="moved here")
print(
    json.dumps(
        {
            "conference": conference.friendly_name,
            "participants": len(participants),
            "calls": len(calls),
            "application": client.applications(application.sid).fetch().friendly_name,
            "deleted": client.applications(application.sid).delete(),
        }
    )
)
