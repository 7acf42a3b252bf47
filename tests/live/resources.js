// As resources.py, through the official SDK for Node: resources.js BASE_URL ACCOUNT_SID AUTH_TOKEN PHONES CALL COUNT
const assert = require('assert');
const twilio = require('twilio');

const PASSWORD = 'Sesame123456';
const URL = 'https://app.example.test/voice';

async function lives(client, prefix, phones) {
  const { sip } = client;
  const domain = await sip.domains.create({ domainName: `${prefix}.sip.twilio.com` });
  const addresses = await sip.ipAccessControlLists.create({ friendlyName: `${prefix} addresses` });
  const [many] = (await sip.credentialLists.list()).filter((found) => found.friendlyName === 'many');
  const taken = [];
  for (let n = 0; n < 8; n += 1) taken.push((await sip.credentialLists.create({ friendlyName: `${prefix} ${n}` })).sid);
  const renamed = { friendlyName: 'renamed' };
  const named = (n) => ({ friendlyName: `${prefix} ${n}` });
  const number = (n, kind) => ({ phoneNumber: `+1${prefix.length}00${kind}${String(n).padStart(6, '0')}` });
  const phone = (n, more) => ({ to: `sip:${prefix}${n}@${phones}`, from: 'desk', earlyMedia: false, ...more });
  const mapping = (list) => ({
    list, make: () => ({ credentialListSid: taken.pop() }), change: null,
    wrong: { credentialListSid: `CL${'0'.repeat(32)}` }, code: 21240, most: 1,
  });
  return {
    queues: { list: client.queues, make: named, change: { maxSize: 7 }, wrong: { friendlyName: '' }, code: 20002 },
    applications: {
      list: client.applications, make: (n) => ({ ...named(n), voiceUrl: URL }), change: renamed,
      wrong: { voiceUrl: '/voice' }, code: 21402, find: named,
    },
    numbers: {
      list: client.incomingPhoneNumbers, make: (n) => number(n, 5), change: renamed,
      wrong: { phoneNumber: 'five' }, code: 21401, find: (n) => number(n, 5),
    },
    calls: {
      list: client.calls, make: (n) => ({ to: `sip:${prefix}${n}@${phones}`, from: 'desk', url: URL }),
      change: { status: 'canceled' }, wrong: { to: 'sip:a@127.0.0.1', from: 'desk' }, code: 21205,
      find: (n) => ({ to: `sip:${prefix}${n}@${phones}` }),
    },
    conferences: {
      list: client.conferences, make: (n) => phone(n, { room: `${prefix} ${n}` }), change: { status: 'completed' },
      create: async ({ room, ...made }) => {
        const { conferenceSid } = await client.conferences(room).participants.create(made);
        return client.conferences(conferenceSid).fetch();
      },
      wrong: { room: `${prefix} 0`, from: 'desk', to: '' }, code: 21201, stays: true,
      find: (n) => ({ ...named(n), status: 'init', dateCreated: new Date() }),
    },
    participants: {
      list: client.conferences('crowd').participants, make: (n) => phone(n, { muted: n === 0 }), change: { muted: false },
      wrong: phone(0, { label: 'a/b' }), code: 16024, find: () => ({ muted: true }),
    },
    keys: {
      list: client.keys, create: (p) => client.newKeys.create(p), make: named, change: renamed,
      wrong: { friendlyName: 'x'.repeat(65) }, code: 20002,
    },
    'signing keys': {
      list: client.signingKeys, create: (p) => client.newSigningKeys.create(p), make: named, change: renamed,
      wrong: { friendlyName: 'x'.repeat(65) }, code: 20002,
    },
    accounts: {
      list: client.api.v2010.accounts, make: named, change: renamed, wrong: { friendlyName: 'x'.repeat(65) }, code: 20002,
      find: (n) => ({ ...named(n), status: 'active' }), stays: true,
      end: async (one) => (await one.update({ status: 'closed' })).status === 'closed',
    },
    // Made by asking for their validation, which here is the account's word.
    'caller ids': {
      list: client.outgoingCallerIds, make: (n) => number(n, 6), change: renamed, wrong: { phoneNumber: 'five' }, code: 21401,
      find: (n) => number(n, 6),
      create: async (made) => {
        await client.validationRequests.create(made);
        return (await client.outgoingCallerIds.list(made))[0];
      },
    },
    domains: {
      list: sip.domains, make: (n) => ({ domainName: `${prefix}-${n}.sip.twilio.com` }), change: renamed,
      wrong: { domainName: 'elsewhere.test' }, code: 21231,
    },
    'credential lists': { list: sip.credentialLists, make: named, change: renamed, wrong: { friendlyName: '' }, code: 21240 },
    credentials: {
      list: sip.credentialLists(many.sid).credentials,
      make: (n) => ({ username: `${prefix}${n}`, password: PASSWORD }), change: { password: `${PASSWORD}7` },
      wrong: { username: 'weak', password: 'weak' }, code: 21243,
    },
    'address lists': { list: sip.ipAccessControlLists, make: named, change: renamed, wrong: { friendlyName: '' }, code: 21235 },
    addresses: {
      list: sip.ipAccessControlLists(addresses.sid).ipAddresses, make: (n) => ({ ...named(n), ipAddress: `10.2.0.${n}` }),
      change: renamed, wrong: { friendlyName: 'a', ipAddress: '10.2.0' }, code: 21238,
    },
    mappings: mapping(sip.domains(domain.sid).credentialListMappings),
    'registration mappings': mapping(sip.domains(domain.sid).auth.registrations.credentialListMappings),
    'address mappings': {
      list: sip.domains(domain.sid).auth.calls.ipAccessControlListMappings, make: () => ({}), change: null, most: 1,
      create: async (made) => {
        const { sid } = await sip.ipAccessControlLists.create({ friendlyName: `${prefix} map ${Math.random()}` });
        return sip.domains(domain.sid).auth.calls.ipAccessControlListMappings.create({ ipAccessControlListSid: sid, ...made });
      },
      wrong: { ipAccessControlListSid: `AL${'0'.repeat(32)}` }, code: 21235,
    },
  };
}

// What is one row's only.
const name = (row) => row.sid || row.callSid;

async function refusal(ask) {
  try {
    await ask();
  } catch (error) {
    return [error.status, error.code];
  }
  throw new Error('not refused');
}

// All rows, read page by page while others arrive: nothing twice, nothing left out; what is new is on the first page.
async function paged(rows, arrive) {
  const before = (await rows.list({ pageSize: 1000 })).map(name);
  const seen = [];
  let page = await rows.page({ pageSize: Math.max(1, Math.floor(before.length / 10)) });
  for (let n = 0; page; n += 1) {
    seen.push(...page.instances.map(name));
    if (n < 3) await arrive(n);
    page = await page.nextPage();
  }
  assert.deepStrictEqual(seen.slice(-before.length), before, 'in order');
  assert.strictEqual(new Set(seen).size, seen.length, 'nothing twice');
  return before;
}

async function live(life, most) {
  const create = life.create || ((parameters) => life.list.create(parameters));
  const count = Math.min(most, life.most || most);
  const made = [];
  for (let n = 0; n < count; n += 1) made.push(await create(life.make(n)));
  const before = await paged(life.list, (n) => create(life.make(count + n)));
  assert(made.every((row) => before.includes(name(row))), 'all that was made is listed');

  const one = life.list(name(made[0]));
  assert.strictEqual(name(await one.fetch()), name(made[0]));
  if (life.find) {
    assert.deepStrictEqual((await life.list.list(life.find(0))).map(name), [name(made[0])], 'found by a filter');
  }
  if (life.change) {
    await one.update(life.change);
    const shown = await one.fetch();
    for (const [field, value] of Object.entries(life.change)) {
      if (field !== 'password') assert.strictEqual(shown[field], value, field);
    }
  }
  assert.deepStrictEqual(await refusal(() => create(life.wrong)), [400, life.code], 'what is wrong is refused');
  const nobody = life.list(name(made[0]).slice(0, 2) + '0'.repeat(32));
  assert.deepStrictEqual(await refusal(() => nobody.fetch()), [404, 20404]);
  if (life.end) assert(await life.end(one), 'it is ended');
  if (!life.stays) {
    assert(await one.remove(), 'it is deleted');
    assert.deepStrictEqual(await refusal(() => one.fetch()), [404, 20404], 'it is gone');
    assert.deepStrictEqual(await refusal(() => one.remove()), [404, 20404], 'and stays gone');
  }
  return before.length;
}

// What happens and what there is to be had: lists that can only be read.
async function reads(client, prefix, phones, call) {
  const wrong = { to: `sip:${prefix}@${phones}`, from: 'desk', url: URL, statusCallback: URL, statusCallbackEvent: ['never'] };
  const calls = [];
  const notifications = await paged(client.notifications, async () => calls.push(await client.calls.create(wrong)));
  const told = client.calls(calls[0].sid).notifications;
  const today = { log: 0, messageDate: new Date() };
  const [one, ...more] = await told.list(today);
  assert.deepStrictEqual([one.errorCode, more], ['21626', []]);
  assert.deepStrictEqual(await told.list({ log: 1 }), []);
  assert.strictEqual((await told(one.sid).fetch()).sid, one.sid);
  assert.strictEqual((await client.notifications(one.sid).fetch()).callSid, calls[0].sid);
  assert((await client.notifications.list({ limit: 50, ...today })).map(name).includes(one.sid));
  assert.deepStrictEqual(await client.notifications.list({ limit: 1, messageDateBefore: new Date(0) }), []);
  assert.deepStrictEqual(await refusal(() => client.notifications(`NO${'0'.repeat(32)}`).fetch()), [404, 20404]);
  assert.deepStrictEqual(await refusal(() => client.notifications.list({ log: 7 })), [400, 20001]);

  const events = await client.calls(call).events.list({ pageSize: 100 });
  assert(events.every((event) => event.request.url.endsWith('.json')) && events[0].request.url.endsWith('/Calls.json'));
  assert.deepStrictEqual(await refusal(() => client.calls(`CA${'0'.repeat(32)}`).events.list()), [404, 20404]);

  const available = client.availablePhoneNumbers('US').local;
  const numbers = (await available.list({ pageSize: 100 })).map((row) => row.phoneNumber);
  assert.strictEqual(new Set(numbers).size, numbers.length);
  const found = await available.list({ contains: numbers[3].slice(2) });
  assert.deepStrictEqual(found.map((row) => row.phoneNumber), [numbers[3]]);
  assert.deepStrictEqual(await refusal(() => client.availablePhoneNumbers('XX').local.list()), [404, 20404]);
  return { notifications: notifications.length, events: events.length, 'available numbers': numbers.length };
}

async function main(baseUrl, accountSid, authToken, phones, call, count) {
  const client = twilio(accountSid, authToken);
  client.api.baseUrl = baseUrl;
  const told = {};
  for (const [resource, life] of Object.entries(await lives(client, 'node', phones))) {
    try {
      told[resource] = await live(life, Number(count));
    } catch (error) {
      throw new Error(`${resource}: ${error.stack}`);
    }
  }
  Object.assign(told, await reads(client, 'node', phones, call));
  const stranger = twilio(accountSid, 'wrong');
  stranger.api.baseUrl = baseUrl;
  assert.deepStrictEqual(await refusal(() => stranger.queues.list()), [401, 20003]);
  console.log(JSON.stringify(told));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
