// Reads requests as `application.py` records them, one JSON list on standard input, and asks the official SDK for Node whether
// they are signed: the SIDs of calls whose requests are not are printed.
//
//   signatures.js AUTH_TOKEN

const { validateRequest } = require('twilio/lib/webhooks/webhooks');

const requests = JSON.parse(require('fs').readFileSync(0, 'utf8')).filter((seen) => !seen.file);
const refused = requests.filter(
  ({ headers, url, form }) => !validateRequest(process.argv[2], headers['x-twilio-signature'] || '', url, form),
);
console.log(JSON.stringify({ checked: requests.length, refused: refused.map(({ url, form }) => ({ url, form })) }));
