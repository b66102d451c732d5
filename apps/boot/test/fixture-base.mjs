// A base for tests of boot: answers every connection with its process id, and does what BASCULE_FIXTURE says.
// A version in a software folder does what the file `mode` beside it says instead, read at each start.
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

const modeFile = join(import.meta.dirname, 'mode');
const mode = existsSync(modeFile) ? readFileSync(modeFile, 'utf8') : (process.env.BASCULE_FIXTURE ?? '');
const prepares = process.argv.includes('--prepare');
const heard = [];
let server;
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message.kind === 'stop' && mode !== 'stubborn') stop();
  if (message.kind === 'processes') lastProcesses = message;
  else heard.push(message);
  if (message.kind === 'activate') serve();
});
let lastProcesses;
if (mode === 'crashes') process.exit(9);
if (mode === 'fails') process.send({ kind: 'failed', message: 'The database is from a newer version.' }, () => process.exit(4));
else if (prepares && mode === 'prepares-not') setInterval(() => undefined, 1000);
else if (prepares) process.send({ kind: 'prepared' });
else serve();

/** As base does: what it has accepted is answered first. */
function stop() {
  if (server === undefined) process.exit(0);
  server.close(() => process.exit(0));
}

function serve() {
  if (mode === 'crashes-later') process.exit(9);
  server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (text) => {
      const said = String(text).trim();
      if (said === 'stop-appliance') process.send({ kind: 'stop' });
      if (said === 'try-base') process.send({ kind: 'try-base' });
      const { uid, gid } = { uid: process.getuid(), gid: process.getgid() };
      socket.end(
        JSON.stringify({
          pid: process.pid,
          main: import.meta.filename,
          node: process.execPath,
          heard,
          uid,
          gid,
          args: process.argv.slice(2),
          processes: lastProcesses,
          listenFds: process.env.LISTEN_FDS,
          httpPort: process.env.BASCULE_HTTP_PORT,
        }),
      );
    });
  });
  const { BASCULE_HTTP_DESCRIPTOR: http } = process.env;
  if (http !== undefined) net.createServer((socket) => socket.end('http')).listen({ fd: Number(http) });
  server.listen({ fd: 3, backlog: 4096 }, () => process.send({ kind: 'ready' }));
}
