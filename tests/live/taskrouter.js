// A contact centre with the official SDK for Node: made, listed, changed and deleted; what it understood, as JSON.
//
//   taskrouter.js BASE_URL ACCOUNT_SID AUTH_TOKEN

const twilio = require('twilio');

async function main(baseUrl, accountSid, authToken) {
  const client = twilio(accountSid, authToken);
  client.taskrouter.baseUrl = baseUrl;
  const router = client.taskrouter.v1;
  const workspace = await router.workspaces.create({ friendlyName: 'Node', template: 'FIFO' });
  const here = router.workspaces(workspace.sid);
  const [available] = await here.activities.list({ friendlyName: 'Available' });
  for (let number = 0; number < 7; number += 1) {
    await here.workers.create({ friendlyName: `worker ${number}`, attributes: JSON.stringify({ level: number }) });
  }
  const workers = await here.workers.list({ pageSize: 2 });
  const skilled = await here.workers.list({ targetWorkersExpression: 'level >= 5' });
  const task = await here.tasks.create({ attributes: '{"a": 1.0}' });
  const worker = await here.workers(workers[0].sid).update({ activitySid: available.sid });
  const [offered] = await here.tasks(task.sid).reservations.list();
  const accepted = await here.tasks(task.sid).reservations(offered.sid).update({ reservationStatus: 'accepted' });
  const conflict = await here.tasks(task.sid).update({ priority: 3, ifMatch: '"1000"' }).catch((error) => error);
  const missing = await here.workers.create({ friendlyName: 'worker 1' }).catch((error) => error);
  const statistics = await here.realTimeStatistics().fetch();
  const completed = await here.tasks(task.sid).update({ assignmentStatus: 'completed', reason: 'done' });
  console.log(
    JSON.stringify({
      workers: workers.map((found) => found.friendlyName),
      skilled: skilled.length,
      available: worker.available,
      dated: worker.dateStatusChanged instanceof Date && !Number.isNaN(worker.dateStatusChanged.getTime()),
      attributes: task.attributes,
      accepted: accepted.reservationStatus,
      conflict: [conflict.constructor.name, conflict.status, conflict.code],
      taken: [missing.status, missing.code],
      assigned: statistics.tasksByStatus.assigned,
      completed: [completed.assignmentStatus, completed.reason],
      deleted: await here.remove(),
    }),
  );
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
