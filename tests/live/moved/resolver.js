// As sitecustomize.py, for Node: by NODE_OPTIONS=--require.
const dns = require('dns');
const tls = require('tls');

const bridge = process.env.TWILIO_LEADS_TO;
const port = process.env.TWILIO_LEADS_TO_PORT;
const leadsThere = (name) => bridge && typeof name === 'string' && name.endsWith('.twilio.com');

const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(leadsThere(name) ? bridge : name, ...rest);

const { connect } = tls;
tls.connect = (options, ...rest) =>
  connect(port && leadsThere(options.host) ? { ...options, port: Number(port) } : options, ...rest);
