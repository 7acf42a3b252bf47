// An application as it was written for Twilio: not a word of where a bridge might be.
const client = require('twilio')();

async function main() {
  const [conference] = await client.conferences.list({ status: 'in-progress', limit: 20 });
  const participants = await client.conferences(conference.sid).participants.list();
  for (const participant of participants) {
    await client.conferences(conference.sid).participants(participant.callSid).update({ muted: true });
  }
  // More than a page: the second one is asked for where the first one says.
  const calls = await client.calls.list({ pageSize: 1 });
  const made = await client.applications.create({ friendlyName: 'moved', voiceUrl: 'https://app.example.test/voice' });
  await client.applications(made.sid).update({ friendlyName: 'moved here' });
  const { friendlyName } = await client.applications(made.sid).fetch();
  console.log(JSON.stringify({
    conference: conference.friendlyName,
    participants: participants.length,
    calls: calls.length,
    application: friendlyName,
    deleted: await client.applications(made.sid).remove(),
  }));
}

main();
