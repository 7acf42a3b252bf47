"""A small contact centre, written for Twilio: documents by VoiceResponse, RequestValidator on every request, the REST client.

    application.py BASE_URL ACCOUNT_SID AUTH_TOKEN HOST PORT FILES

Serves http://HOST:PORT/; what is in the directory FILES is served as it is. Once it listens it reads one line at a time from
its standard input, a Python expression, and writes what that comes to as a line of JSON: {"value": ...} or {"error": ...}.

    client.calls.create(to="client:alice", from_="+15005550001", url=here("/agent"))
    set_up({"gus": "sip:gus@127.0.0.1:5070"})  a workspace of TaskRouter with these workers, as flow F0 has it
    route_to("WW...")                        the workflow of a workspace that is there already
    instruct({"instruction": "accept"})      the answer to the next question about a reservation
    requests("/menu")                        what was asked of this path, in order; of all without one
"""

import json
import mimetypes
import pathlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

ROUTES = {}


def route(path):
    def register(function):
        ROUTES[path] = function
        return function

    return register


# The contact centre.


@route("/incoming")
def incoming(asked):
    response = VoiceResponse()
    gather = Gather(num_digits=1, action="/menu", timeout=20)
    gather.say("Welcome. For sales press one, for service press two.")
    response.append(gather)
    response.redirect("/incoming")
    return response


@route("/menu")
def menu(asked):
    response = VoiceResponse()
    if asked.get("Digits") == "1":
        response.say("You are being connected with sales.")
        response.enqueue("sales", wait_url="/wait", wait_url_method="GET", action="/after-queue")
    elif asked.get("Digits") == "2":
        response.say("Please hold the line.")
        dial = Dial(action="/after-conference")
        dial.conference(
            "service",
            participant_label="customer",
            wait_url="/wait",
            wait_method="GET",
            status_callback="/conference-events",
            status_callback_event="start end join leave mute hold modify announcement",
        )
        response.append(dial)
    else:
        response.redirect("/incoming")
    return response


@route("/wait")
def wait(asked):
    response = VoiceResponse()
    response.play("/wait.wav", loop=0)
    return response


@route("/hold")
def hold(asked):
    response = VoiceResponse()
    response.play("/hold.wav", loop=0)
    return response


@route("/agent")
def agent(asked):
    """What an agent's leg runs: details of the caller first, then the caller."""
    response = VoiceResponse()
    response.say("A call for sales.")
    dial = Dial(action="/after-agent")
    dial.queue("sales", url="/about-to-connect")
    response.append(dial)
    return response


@route("/about-to-connect")
def about_to_connect(asked):
    response = VoiceResponse()
    response.say("You are now connected.")
    return response


@route("/join")
def join(asked):
    """Into the conference that the query names, as it says."""
    options = {name: asked[name] for name in ("muted", "coach", "beep") if name in asked}
    response = VoiceResponse()
    dial = Dial()
    dial.conference(asked["room"], **options)
    response.append(dial)
    return response


@route("/call")
def call(asked):
    """Calls the SIP address or the client that the query names; the called is told something first."""
    response = VoiceResponse()
    dial = Dial(
        action="/after-call", timeout=int(asked.get("timeout", 30)), answer_on_bridge=asked.get("answer_on_bridge")
    )
    told = {"status_callback": "/call-events", "status_callback_event": "initiated ringing answered completed"}
    if "client" in asked:
        dial.client(asked["client"], **told)
    else:
        dial.sip(asked["sip"], url=asked.get("whisper"), **told)
    response.append(dial)
    return response


@route("/whisper")
def whisper(asked):
    response = VoiceResponse()
    response.play("/whisper.wav")
    return response


@route("/announcement")
def announcement(asked):
    response = VoiceResponse()
    response.play("/announcement.wav")
    return response


@route("/say")
def say(asked):
    response = VoiceResponse()
    response.say(asked.get("text", "Good morning. This call may be recorded."))
    response.pause(30)
    return response


@route("/play")
def play(asked):
    response = VoiceResponse()
    response.play(asked["file"], loop=asked.get("loop"))
    response.pause(30)
    return response


@route("/sorry")
def sorry(asked):
    response = VoiceResponse()
    response.play("/sorry.wav", loop=0)
    return response


def goodbye(asked):
    response = VoiceResponse()
    response.hangup()
    return response


for after in ("/after-queue", "/after-conference", "/after-agent", "/after-call"):
    route(after)(goodbye)

for told in ("/call-events", "/conference-events", "/number-events", "/events"):
    route(told)(lambda asked: None)


# The same contact centre with TaskRouter: the flows F0, F1, F4, F5 and F9.

ROUTING = {"instructions": []}


def set_up(client, here, contacts):
    """What a set-up script does once: the SIDs of what it has made."""
    workspace = client.taskrouter.v1.workspaces.create(friendly_name="Support", event_callback_url=here("/events"))
    activities = {activity.friendly_name: activity.sid for activity in workspace.activities.list()}
    wrap_up = workspace.activities.create(friendly_name="Wrap-Up", available=False)
    queues, filters, workers = {}, [], {}
    for language, name in (("en", "English"), ("hi", "Hindi")):
        queue = workspace.task_queues.create(friendly_name=name, target_workers=f'languages HAS "{language}"')
        queues[language] = queue.sid
        expression = f'selected_language == "{language}"'
        filters.append({"expression": expression, "targets": [{"queue": queue.sid, "timeout": 1200}]})
    named = {"queue": queues["en"], "known_worker_friendly_name": "task.requested_agent", "timeout": 30}
    filters.insert(0, {"expression": "requested_agent != null", "targets": [named]})
    workflow = workspace.workflows.create(
        friendly_name="Calls",
        configuration=json.dumps({"task_routing": {"filters": filters}}),
        assignment_callback_url=here("/assignment"),
        task_reservation_timeout=120,
    )
    for name, contact in contacts.items():
        languages = ["en", "hi"] if name == "gus" else ["en"]
        attributes = json.dumps({"languages": languages, "contact_uri": contact})
        workers[name] = workspace.workers.create(friendly_name=name, attributes=attributes).sid
    ROUTING["workflow"] = workflow.sid
    return {
        "workspace": workspace.sid,
        "workflow": workflow.sid,
        "queues": queues,
        "workers": workers,
        "activities": {**activities, "Wrap-Up": wrap_up.sid},
    }


@route("/incoming-call")
def incoming_call(asked):
    response = VoiceResponse()
    gather = Gather(num_digits=1, action="/enqueue-call", timeout=20)
    gather.say("For English press one, for Hindi press two.")
    response.append(gather)
    return response


@route("/enqueue-call")
def enqueue_call(asked):
    response = VoiceResponse()
    enqueue = response.enqueue(
        None, workflow_sid=ROUTING["workflow"], wait_url="/wait", wait_url_method="GET", action="/after-queue"
    )
    enqueue.task(json.dumps({"selected_language": "hi" if asked.get("Digits") == "2" else "en"}))
    return response


@route("/assignment")
def assignment(asked):
    waiting = ROUTING["instructions"]
    return "application/json", json.dumps(waiting.pop(0) if waiting else {}).encode()


@route("/transferred")
def transferred(asked):
    """What the agent hears who takes a call over: the conference of the task that was there before."""
    response = VoiceResponse()
    dial = Dial()
    dial.conference(json.loads(asked["TaskAttributes"])["original_task_sid"], beep="false")
    response.append(dial)
    return response


# What no application should do.


@route("/fails")
def fails(asked):
    return 500


@route("/wrong-type")
def wrong_type(asked):
    return "image/png", b"\x89PNG\r\n\x1a\n"


@route("/not-xml")
def not_xml(asked):
    return "text/xml", b"<Response><Say>no end"


@route("/huge")
def huge(asked):
    return "text/xml", b"<Response>" + b"<!-- " + b"x" * 4_000_000 + b" --><Hangup/></Response>"


@route("/slow")
def slow(asked):
    time.sleep(float(asked.get("seconds", 60)))
    return VoiceResponse()


@route("/endless")
def endless(asked):
    return "text/xml", iter(lambda: b" " * 1000, None)


class Application(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, validator, files):
        super().__init__(address, Handler)
        self.validator = validator
        self.files = files
        self.log = []
        self.lock = threading.Lock()

    def here(self, path):
        return f"http://{self.server_address[0]}:{self.server_address[1]}{path}"

    def requests(self, path=None):
        with self.lock:
            return [seen for seen in self.log if path in (None, urlsplit(seen["target"]).path)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        file = self.server.files / url.path.lstrip("/")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        signature = self.headers.get("X-Twilio-Signature", "")
        is_file = url.path not in ROUTES and file.is_file()
        # Files are fetched as anybody would; whatever asks the application to do something is signed.
        valid = is_file or self.server.validator.validate(self.server.here(self.path), form, signature)
        with self.server.lock:
            self.server.log.append(
                {
                    "method": self.command,
                    "target": self.path,
                    "url": self.server.here(self.path),
                    "parameters": {**query, **form},
                    "form": form,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "valid": valid,
                    "file": is_file,
                }
            )
        if not valid:
            return self.send(403, "text/plain", b"the signature is wrong")
        if is_file:
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            return self.send(200, kind, file.read_bytes())
        if url.path not in ROUTES:
            return self.send(404, "text/plain", b"")
        said = ROUTES[url.path]({**query, **form})
        if said is None:
            return self.send(204, None, b"")
        if isinstance(said, int):
            return self.send(said, "text/plain", b"")
        if isinstance(said, VoiceResponse):
            return self.send(200, "text/xml", str(said).encode())
        kind, content = said
        if isinstance(content, bytes):
            return self.send(200, kind, content)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.close_connection = True
        for piece in content:
            self.wfile.write(piece)

    do_GET = do_POST = answer

    def send(self, status, kind, content):
        self.send_response(status)
        if kind is not None:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # the bridge has given up on us, which some tests want to see

    def log_message(self, *_):
        pass


def plain(value):
    """A resource of the SDK, a list of them, or anything else, as what JSON can say."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "_version"):
        return {name: field for name, field in vars(value).items() if not name.startswith("_")}
    return value


def main(base_url, account_sid, auth_token, host, port, files):
    client = Client(account_sid, auth_token)
    client.api.base_url = client.taskrouter.base_url = base_url
    server = Application((host, int(port)), RequestValidator(auth_token), pathlib.Path(files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = {"client": client, "here": server.here, "requests": server.requests, "json": json}
    known["set_up"] = lambda contacts: set_up(client, server.here, contacts)
    known["route_to"] = lambda workflow: ROUTING.update(workflow=workflow)
    known["ROUTING"] = ROUTING
    known["instruct"] = ROUTING["instructions"].append
    print(json.dumps({"value": server.here("")}), flush=True)
    for line in sys.stdin:
        try:
            said = {"value": plain(eval(line, {}, known))}
        except TwilioRestException as error:
            said = {"error": {"status": error.status, "code": error.code, "message": error.msg}}
        print(json.dumps(said, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
