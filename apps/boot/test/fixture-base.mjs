// A base for tests of boot: answers every connection with its process id, and does what BASCULE_FIXTURE says.
import net from 'node:net';

const mode = process.env.BASCULE_FIXTURE ?? '';
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message.kind === 'stop' && mode !== 'stubborn') process.exit(0);
  if (message.kind === 'processes') lastProcesses = message;
});
let lastProcesses;
if (mode === 'crashes') process.exit(9);
if (mode === 'fails') process.send({ kind: 'failed', message: 'The database is from a newer version.' }, () => process.exit(4));
else {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (text) => {
      const said = String(text).trim();
      if (said === 'stop-appliance') process.send({ kind: 'stop' });
      const { uid, gid } = { uid: process.getuid(), gid: process.getgid() };
      socket.end(
        JSON.stringify({
          pid: process.pid,
          uid,
          gid,
          args: process.argv.slice(2),
          processes: lastProcesses,
          listenFds: process.env.LISTEN_FDS,
        }),
      );
    });
  });
  server.listen({ fd: 3, backlog: 4096 }, () => process.send({ kind: 'ready' }));
}
