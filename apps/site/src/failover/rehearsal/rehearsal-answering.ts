/** What the other side asks about tests of the standby: the backup heeds the primary, and the primary hears what people at the backup want. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalAnswer, RehearsalOrder } from '@bascule/protocol/rehearsal.ts';
import type { RehearsalGuide } from './rehearsal-guide.ts';
import type { Rehearsal } from './rehearsal.ts';

export class RehearsalAnswering {
  readonly #rehearsal: Rehearsal;
  readonly #guide: Pick<RehearsalGuide, 'peerAsks'>;
  readonly #log: Log;

  constructor(rehearsal: Rehearsal, guide: Pick<RehearsalGuide, 'peerAsks'>, log: Log) {
    this.#rehearsal = rehearsal;
    this.#guide = guide;
    this.#log = log;
  }

  /** Never rejects: what is refused is said. */
  async answer(order: RehearsalOrder): Promise<RehearsalAnswer> {
    try {
      return await this.#answer(order);
    } catch (error) {
      if (!(error instanceof AppError)) this.#log.error({ err: error, order: order.kind }, 'failover.rehearsal-order-failed');
      const { code, message } =
        error instanceof AppError ? error : { code: 'FAILED', message: 'The other appliance failed at this; its log says more.' };
      return { ok: false, code, message: message.slice(0, 500) };
    }
  }

  takeTunnel(request: IncomingMessage, link: Duplex, head: Buffer): void {
    this.#rehearsal.takeTunnel(request, link, head);
  }

  async #answer(order: RehearsalOrder): Promise<RehearsalAnswer> {
    switch (order.kind) {
      case 'begin':
      case 'look':
      case 'test-session':
      case 'end':
        return { ok: true, report: await this.#rehearsal.order(order) };
      case 'ask-begin':
      case 'ask-end':
      case 'ask-choices':
        return await this.#guide.peerAsks(order);
    }
  }
}
