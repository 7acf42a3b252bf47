// The SDK for Node at the end of a pipe: acts.js BASE_URL ACCOUNT_SID AUTH_TOKEN APPLICATION
//
// Reads one line at a time from its standard input, an expression that may use `client` and `here`, waits for what it comes to,
// and writes that as a line of JSON: {"value": ...} or {"error": ...}.
const readline = require('readline');
const twilio = require('twilio');

async function main(baseUrl, accountSid, authToken, application) {
  const client = twilio(accountSid, authToken);
  client.api.baseUrl = baseUrl;
  const evaluate = new Function('client', 'here', 'said', 'return eval(said)');
  for await (const said of readline.createInterface({ input: process.stdin })) {
    let line;
    try {
      line = { value: await evaluate(client, (path) => application + path, said) };
    } catch ({ status, code, message }) {
      line = { error: { status, code, message } };
    }
    console.log(JSON.stringify(line));
  }
}

main(...process.argv.slice(2));
