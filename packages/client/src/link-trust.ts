import { must } from '@bascule/core/must.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ToClient } from '@bascule/protocol/control-link.ts';
import type { ClientHome, StoredIdentity } from './client-home.ts';
import type { ControlLinkTls } from './control-link.ts';
import type { DialTls } from './dial.ts';
import type { KeptSettings } from './kept-settings.ts';

type Given = Pick<Extract<ToClient, { kind: 'accepted' }>, 'authority' | 'certificate' | 'record'>;

/** With what an enrolled client dials: its certificate, the site identity that it trusts, and TLS sessions to resume. */
export class LinkTrust {
  readonly #home: ClientHome;
  readonly #settings: KeptSettings;
  readonly #log: Log;
  #identity: StoredIdentity | undefined;
  #session: Buffer | undefined;
  /** Of data links: when the relay was replaced, all sessions dial at once, and full handshakes would be most of the wait. */
  #dataSession: Buffer | undefined;

  constructor(home: ClientHome, settings: KeptSettings, log: Log) {
    this.#home = home;
    this.#settings = settings;
    this.#log = log;
  }

  /** Undefined until the client is enrolled. */
  get identity(): StoredIdentity | undefined {
    return this.#identity;
  }

  set identity(identity: StoredIdentity | undefined) {
    this.#identity = identity;
  }

  /** What the site last signed about this client. */
  get record(): string | undefined {
    return this.#home.record();
  }

  /** For anything but links: parcels. */
  plain(): Omit<DialTls, 'alpn'> & { authority: string; certificate: string; key: string } {
    const { authority, certificate } = must(this.#identity, 'identity of an enrolled client');
    return { authority, certificate, key: this.#home.keyPem, toleratesDates: this.#settings.now.toleratesDates };
  }

  forControlLink(): ControlLinkTls {
    return { ...this.plain(), session: this.#session, onSession: (session) => (this.#session = session) };
  }

  forDataLink(): Omit<DialTls, 'alpn'> {
    return {
      ...this.plain(),
      ...(this.#dataSession && { session: this.#dataSession }),
      onSession: (session) => (this.#dataSession = session),
      onFailed: () => (this.#dataSession = undefined),
    };
  }

  /** The control link failed: a session that the appliance does not know any more must not keep us away. */
  linkFailed(): void {
    this.#session = undefined;
  }

  /** What the site gave is kept; what cannot be stored is given again at the next connect. */
  keep(given: Given): void {
    const before = this.#identity;
    if (before === undefined) return;
    try {
      this.#identity = this.#home.take(before, given);
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, 'identity-not-stored');
    }
    if (this.#identity === before) return;
    this.#session = undefined;
    this.#dataSession = undefined;
    this.#log.info({ followed: this.#identity?.authority !== before.authority }, 'certificate-renewed');
  }
}
