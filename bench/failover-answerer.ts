/** The service that keepalived moves: `node failover-answerer.ts PORT` sends a byte to whoever connects. */
import { createServer } from 'node:net';

createServer((socket) => {
  socket.on('error', () => {});
  socket.end('.');
}).listen(Number(process.argv[2]), '0.0.0.0');
