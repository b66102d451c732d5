import { EventEmitter } from 'node:events';
import { AppError } from '@bascule/errors/app-error.ts';
import { bootToBase, type BaseToBoot, type BootToBase } from '@bascule/protocol/boot-base.ts';

/** boot gives a candidate 60 s to be prepared (docs/spec/boot.md, 6.3); its answer comes within this. */
export const TRY_BASE_WAIT_MS = 75_000;

interface BootLinkEvents {
  stop: [];
  activate: [];
  gone: [];
  /** The answer to `try-base`: undefined when the candidate is prepared, else why it is not. */
  candidate: [failure: string | undefined];
}

/** What base hears from boot and says to it (docs/spec/boot.md, 2 and 6). Without a boot there is nobody to listen for it: base ends. */
export class BootLink extends EventEmitter<BootLinkEvents> {
  #processes: Extract<BootToBase, { kind: 'processes' }> = { kind: 'processes', separated: false, processes: [] };

  constructor() {
    super();
    process.on('message', (raw) => {
      const parsed = bootToBase.safeParse(raw);
      if (parsed.success) this.#hear(parsed.data);
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

  /**
   * Has boot start the version that software/base/trial.json names, beside this base. Resolves when it is prepared: then this base is told to stop. Throws
   * `BASE_CANDIDATE_FAILED` with boot's sentence; then nothing was changed and this base goes on.
   */
  async tryBase(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (message: string): void => reject(new AppError('unavailable', 'BASE_CANDIDATE_FAILED', message));
    const hear = (failure: string | undefined): void => (failure === undefined ? resolve() : fail(failure));
    const late = setTimeout(() => fail('boot does not answer.'), TRY_BASE_WAIT_MS);
    this.once('candidate', hear);
    try {
      await this.send({ kind: 'try-base' });
      await promise;
    } finally {
      clearTimeout(late);
      this.off('candidate', hear);
    }
  }

  #hear(message: BootToBase): void {
    if (message.kind === 'processes') this.#processes = message;
    else if (message.kind === 'candidate-prepared') this.emit('candidate', undefined);
    else if (message.kind === 'candidate-failed') this.emit('candidate', message.message);
    else this.emit(message.kind);
  }
}
