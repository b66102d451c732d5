import type { Socket } from 'node:net';

/** Passes what comes on either connection on to the other; one that ends ends the other. `sockets` holds both for as long as they are open. */
export function passOn(near: Socket, far: Socket, ...sockets: Set<Socket>[]): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    for (const set of sockets) set.add(from);
    from.setNoDelay(true);
    from.on('error', () => from.destroy());
    from.on('close', () => {
      for (const set of sockets) set.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
