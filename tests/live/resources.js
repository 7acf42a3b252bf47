// As resources.py, through the official SDK for Node: resources.js BASE_URL ACCOUNT_SID AUTH_TOKEN COUNT
const assert = require('assert');
const twilio = require('twilio');

const PASSWORD = 'Sesame123456';

async function lives(client, prefix) {
  const { sip } = client;
  const domain = await sip.domains.create({ domainName: `${prefix}.sip.twilio.com` });
  const credentials = await sip.credentialLists.create({ friendlyName: `${prefix} credentials` });
  const addresses = await sip.ipAccessControlLists.create({ friendlyName: `${prefix} addresses` });
  const taken = [];
  for (let n = 0; n < 8; n += 1) taken.push((await sip.credentialLists.create({ friendlyName: `${prefix} ${n}` })).sid);
  const url = 'https://app.example.test/voice';
  const renamed = { friendlyName: 'renamed' };
  const named = (n) => ({ friendlyName: `${prefix} ${n}` });
  const tail = (n) => String(n).padStart(6, '0');
  return {
    queues: { list: client.queues, make: named, change: { maxSize: 7 }, wrong: { friendlyName: '' }, code: 20002 },
    applications: {
      list: client.applications, make: (n) => ({ ...named(n), voiceUrl: url }), change: renamed,
      wrong: { voiceUrl: '/voice' }, code: 21402, find: named,
    },
    numbers: {
      list: client.incomingPhoneNumbers, make: (n) => ({ phoneNumber: `+1${prefix.length}005${tail(n)}` }), change: renamed,
      wrong: { phoneNumber: 'five' }, code: 21401, find: (n) => ({ phoneNumber: `+1${prefix.length}005${tail(n)}` }),
    },
    calls: {
      list: client.calls, make: (n) => ({ to: `sip:${prefix}${n}@127.0.0.1:9`, from: 'desk', url }),
      change: { status: 'canceled' }, wrong: { to: 'sip:a@127.0.0.1', from: 'desk' }, code: 21205,
      find: (n) => ({ to: `sip:${prefix}${n}@127.0.0.1:9` }),
    },
    keys: {
      list: client.keys, create: (p) => client.newKeys.create(p), make: named, change: renamed,
      wrong: { friendlyName: 'x'.repeat(65) }, code: 20002,
    },
    accounts: {
      list: client.api.v2010.accounts, make: named, change: renamed, wrong: { friendlyName: 'x'.repeat(65) }, code: 20002,
      find: named, stays: true,
      end: async (one) => (await one.update({ status: 'closed' })).status === 'closed',
    },
    domains: {
      list: sip.domains, make: (n) => ({ domainName: `${prefix}-${n}.sip.twilio.com` }), change: renamed,
      wrong: { domainName: 'elsewhere.test' }, code: 21231,
    },
    'credential lists': { list: sip.credentialLists, make: named, change: renamed, wrong: { friendlyName: '' }, code: 21240 },
    credentials: {
      list: sip.credentialLists(credentials.sid).credentials,
      make: (n) => ({ username: `${prefix}${n}`, password: PASSWORD }), change: { password: `${PASSWORD}7` },
      wrong: { username: 'weak', password: 'weak' }, code: 21243,
    },
    'address lists': { list: sip.ipAccessControlLists, make: named, change: renamed, wrong: { friendlyName: '' }, code: 21235 },
    addresses: {
      list: sip.ipAccessControlLists(addresses.sid).ipAddresses, make: (n) => ({ ...named(n), ipAddress: `10.2.0.${n}` }),
      change: renamed, wrong: { friendlyName: 'a', ipAddress: '10.2.0' }, code: 21238,
    },
    mappings: {
      list: sip.domains(domain.sid).auth.registrations.credentialListMappings, make: () => ({ credentialListSid: taken.pop() }),
      change: null, wrong: { credentialListSid: `CL${'0'.repeat(32)}` }, code: 21240, most: 4,
    },
  };
}

async function refusal(ask) {
  try {
    await ask();
  } catch (error) {
    return [error.status, error.code];
  }
  throw new Error('not refused');
}

async function live(life, most) {
  const create = life.create || ((parameters) => life.list.create(parameters));
  const count = Math.min(most, life.most || most);
  const made = [];
  for (let n = 0; n < count; n += 1) made.push(await create(life.make(n)));
  const before = (await life.list.list()).map((row) => row.sid).sort();
  // Page by page, while others arrive.
  const seen = [];
  let page = await life.list.page({ pageSize: Math.max(2, Math.floor(before.length / 10)) });
  for (let n = 0; page; n += 1) {
    seen.push(...page.instances.map((row) => row.sid));
    if (n < 3) await create(life.make(count + n));
    page = await page.nextPage();
  }
  assert.deepStrictEqual([...seen].sort(), before, 'nothing twice, left out, or that came later');

  const one = life.list(made[0].sid);
  assert.strictEqual((await one.fetch()).sid, made[0].sid);
  if (life.find) {
    assert.deepStrictEqual((await life.list.list(life.find(0))).map((row) => row.sid), [made[0].sid], 'found by a filter');
  }
  if (life.change) {
    await one.update(life.change);
    const shown = await one.fetch();
    for (const [name, value] of Object.entries(life.change)) {
      if (name !== 'password') assert.strictEqual(shown[name], value, name);
    }
  }
  assert.deepStrictEqual(await refusal(() => create(life.wrong)), [400, life.code], 'what is wrong is refused');
  const nobody = life.list(made[0].sid.slice(0, 2) + '0'.repeat(32));
  assert.deepStrictEqual(await refusal(() => nobody.fetch()), [404, 20404]);
  assert(await (life.end ? life.end(one) : one.remove()), 'it is ended');
  if (!life.stays) {
    assert.deepStrictEqual(await refusal(() => one.fetch()), [404, 20404], 'it is gone');
    assert.deepStrictEqual(await refusal(() => one.remove()), [404, 20404], 'and stays gone');
  }
  return seen.length;
}

async function main(baseUrl, accountSid, authToken, count) {
  const client = twilio(accountSid, authToken);
  client.api.baseUrl = baseUrl;
  const told = {};
  for (const [name, life] of Object.entries(await lives(client, 'node'))) {
    try {
      told[name] = await live(life, Number(count));
    } catch (error) {
      throw new Error(`${name}: ${error.stack}`);
    }
  }
  const stranger = twilio(accountSid, 'wrong');
  stranger.api.baseUrl = baseUrl;
  assert.deepStrictEqual(await refusal(() => stranger.queues.list()), [401, 20003]);
  console.log(JSON.stringify(told));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
