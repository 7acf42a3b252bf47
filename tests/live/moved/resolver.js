// As sitecustomize.py, for Node: by NODE_OPTIONS=--require.
const dns = require('dns');
const { lookup } = dns;
const bridge = process.env.TWILIO_LEADS_TO;
dns.lookup = (name, ...rest) => lookup(bridge && name.endsWith('.twilio.com') ? bridge : name, ...rest);
