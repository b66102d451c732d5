import { once } from 'node:events';
import { createConnection } from 'node:net';
import { homePaths } from '@bascule/core/home.ts';
import { controlAnswer, type ControlAnswer, type ControlRequest } from '@bascule/protocol/appliance-control.ts';

const ANSWER_LIMIT_MS = 70_000;

/** Asks a running appliance over its control socket; rejects when nobody answers. An answer that says no is no rejection. */
export async function askAppliance(home: string, request: ControlRequest): Promise<ControlAnswer> {
  const socket = createConnection(homePaths(home).controlSocket);
  socket.setTimeout(ANSWER_LIMIT_MS, () =>
    socket.destroy(new Error(`no answer to ${request.kind} within ${ANSWER_LIMIT_MS} ms`)),
  );
  socket.setEncoding('utf8');
  await once(socket, 'connect');
  socket.write(`${JSON.stringify(request)}\n`);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  socket.destroy();
  return controlAnswer.parse(JSON.parse(text));
}
