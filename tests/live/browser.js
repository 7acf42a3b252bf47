// Workers' screens, by the SDK for browsers as it is published: browser.js BASE_URL. Each line that comes in is the body of
// an async function; what it returns goes out as a line of JSON, or how it failed.
const readline = require('readline');
const { AccessToken } = require('twilio').jwt;
const { Supervisor, Worker } = require('twilio-taskrouter');

const base = process.argv[2];
const PATIENCE_MS = 20_000;
const EVENTS = ['ready', 'reservationCreated', 'activityUpdated', 'disconnected', 'tokenExpired', 'error'];
const OF_RESERVATIONS = ['accepted', 'rejected', 'timeout', 'canceled', 'rescinded', 'wrapup', 'completed'];

// An access token, as an application makes one.
function token({ account, key, secret, workspace, worker, role = 'worker', ttl = 3600 }) {
  const made = new AccessToken(account, key, secret, { identity: worker, ttl });
  made.addGrant(new AccessToken.TaskRouterGrant({ workspaceSid: workspace, workerSid: worker, role }));
  return made.toJwt();
}

// One worker's screen, and what it has heard and not yet been asked about.
class Screen {
  constructor(of, options = {}) {
    const Kind = of.role === 'supervisor' ? Supervisor : Worker;
    const http = `${base}/v1/wschannels`;
    this.heard = [];
    this.waiting = null;
    this.worker = new Kind(token(of), { ebServer: http, wsServer: http.replace(/^http/, 'ws'), logLevel: 'silent', ...options });
    for (const name of EVENTS) this.worker.on(name, (what) => this.hears(name, what));
    this.worker.on('reservationCreated', (reservation) => {
      this.reservation = reservation;
      for (const name of OF_RESERVATIONS) reservation.on(name, () => this.hears(name));
      for (const name of ['updated', 'wrapup', 'completed']) reservation.task.on(name, () => this.hears(`task ${name}`));
    });
  }

  hears(name, what) {
    this.heard.push({ name, what });
    if (this.waiting) this.waiting();
  }

  // Waits until it hears this; what it has heard before it is passed over.
  async hears_of(name) {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const at = this.heard.findIndex((heard) => heard.name === name);
      if (at >= 0) return this.heard.splice(0, at + 1).pop().what;
      const left = until - Date.now();
      const heard = this.heard.map((one) => one.name);
      if (left <= 0) throw new Error(`no ${name}, but ${heard}`);
      await new Promise((resolve) => {
        this.waiting = resolve;
        setTimeout(resolve, left);
      });
    }
  }

  get task() {
    return this.reservation.task;
  }

  close() {
    this.worker.disconnect();
  }
}

const screens = {};
async function open(name, of, options) {
  screens[name] = new Screen(of, options);
  await screens[name].hears_of('ready');
  return screens[name].worker.sid;
}

const Body = Object.getPrototypeOf(async () => {}).constructor;
async function answer(line) {
  try {
    const value = await new Body('open', 'screens', 'Screen', line)(open, screens, Screen);
    return { value: value === undefined ? null : value };
  } catch (error) {
    return { error: String(error.message || error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
  process.exit(0);
})();
