import { EventEmitter } from 'node:events';
import { bootToBase, type BaseToBoot, type BootToBase } from '@bascule/protocol/boot-base.ts';

/** What base hears from boot and says to it (docs/spec/boot.md, 2). Without a boot there is nobody to listen for it: base ends. */
export class BootLink extends EventEmitter<{ stop: []; gone: [] }> {
  #processes: Extract<BootToBase, { kind: 'processes' }> = { kind: 'processes', separated: false, processes: [] };

  constructor() {
    super();
    process.on('message', (raw) => {
      const parsed = bootToBase.safeParse(raw);
      if (!parsed.success) return;
      if (parsed.data.kind === 'stop') this.emit('stop');
      else this.#processes = parsed.data;
    });
    process.on('disconnect', () => this.emit('gone'));
  }

  /** boot, helper and base, as boot sees them. */
  get processes(): BootToBase & { kind: 'processes' } {
    return this.#processes;
  }

  /** Resolves once boot has it, or is gone. */
  send(message: BaseToBoot): Promise<void> {
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve();
      else process.send(message, undefined, {}, () => resolve());
    });
  }
}
