/**
 * Asks all the time, a new connection each: `node failover-poller.ts site HOST PORT COOKIE` asks an appliance whether it is the primary, `... answerer HOST PORT` waits for
 * the byte of failover-answerer.ts. For each right answer a line with the instant (CLOCK_MONOTONIC, ms) goes to standard output.
 */
import { request } from 'node:https';
import { connect } from 'node:net';
import { applianceHeader } from '@bascule/protocol/api/failover.ts';

const EVERY_MS = 20;
/** As a browser that gives up early: what hangs is asked again 20 ms later anyway. */
const ANSWER_LIMIT_MS = 2000;

const [kind, host = '', port = '', cookie = ''] = process.argv.slice(2);
setInterval(kind === 'site' ? askSite : askAnswerer, EVERY_MS);

function answered(): void {
  process.stdout.write(`${(Number(process.hrtime.bigint()) / 1e6).toFixed(1)}\n`);
}

/** Only the primary's answer counts. */
function askSite(): void {
  const call = request(
    {
      host,
      port,
      path: '/api/whoami/appliance',
      headers: { cookie },
      agent: false,
      // Under the shared address each appliance shows its own certificate here; who answers says its role.
      rejectUnauthorized: false,
      timeout: ANSWER_LIMIT_MS,
    },
    (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', () => {});
      response.on('end', () => {
        if (response.statusCode !== 200) return;
        const { role } = applianceHeader.parse(JSON.parse(Buffer.concat(pieces).toString('utf8')));
        if (role === 'primary') answered();
      });
    },
  );
  call.on('timeout', () => call.destroy());
  call.on('error', () => {});
  call.end();
}

function askAnswerer(): void {
  const socket = connect({ host, port: Number(port), timeout: ANSWER_LIMIT_MS });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => {});
  socket.once('data', () => {
    answered();
    socket.destroy();
  });
}
