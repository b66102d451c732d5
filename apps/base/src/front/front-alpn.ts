import { CLIENT_HELLO_MAX_BYTES, CLIENT_HELLO_MAX_RECORDS } from './front-limits.ts';

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_RECORD = 0x16;
const MAJOR_VERSION = 3;
const HANDSHAKE_HEADER_BYTES = 4;
const CLIENT_HELLO = 1;
const RANDOM_BYTES = 32;
const ALPN_EXTENSION = 16;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/** What a ClientHello says of what it wants. */
export interface Wanted {
  /** ALPN; empty when it offers none. */
  protocols: readonly string[];
  /** SNI, lower case; empty when it names none, or nothing that could be a name (RFC 6066, 3). */
  serverName: string;
}

/** What the first bytes of a connection are: no ClientHello (`wrong`), too little of one yet, or a whole one with what it wants. */
export type AlpnReading = { kind: 'wrong' } | { kind: 'more'; wantedBytes: number } | ({ kind: 'read' } & Wanted);

const WRONG: AlpnReading = { kind: 'wrong' };

/**
 * Reads ALPN and SNI in `head`, the first bytes of a connection (wire 1.1; RFC 8446 sections 4.1.2 and 5.1, RFC 7301, RFC 6066 section 3). The ClientHello may be
 * cut into several records; what follows it is not looked at. `wantedBytes` is how much of the connection is needed before another try can say more.
 */
export function readAlpn(head: Buffer): AlpnReading {
  const fragments: Buffer[] = [];
  let collected = 0;
  let wanted = HANDSHAKE_HEADER_BYTES;
  for (let at = 0; collected < wanted;) {
    if (at < head.length && head[at] !== HANDSHAKE_RECORD) return WRONG;
    if (at + 1 < head.length && head[at + 1] !== MAJOR_VERSION) return WRONG;
    if (fragments.length === CLIENT_HELLO_MAX_RECORDS) return WRONG;
    const bodyAt = at + RECORD_HEADER_BYTES;
    if (head.length < bodyAt) return more(bodyAt);
    const bytes = head.readUInt16BE(at + 3);
    const end = bodyAt + bytes;
    if (bytes === 0 || end > CLIENT_HELLO_MAX_BYTES) return WRONG;
    if (collected === 0 && head.length > bodyAt && head[bodyAt] !== CLIENT_HELLO) return WRONG;
    if (head.length < end) return more(end);
    fragments.push(head.subarray(bodyAt, end));
    collected += bytes;
    at = end;
    if (wanted === HANDSHAKE_HEADER_BYTES && collected >= wanted) {
      wanted += joined(fragments).readUIntBE(1, 3);
      if (wanted > CLIENT_HELLO_MAX_BYTES) return WRONG;
    }
  }
  const read = wantedBy(new Fields(joined(fragments).subarray(HANDSHAKE_HEADER_BYTES, wanted)));
  return read === undefined ? WRONG : { kind: 'read', ...read };
}

function more(wantedBytes: number): AlpnReading {
  return wantedBytes > CLIENT_HELLO_MAX_BYTES ? WRONG : { kind: 'more', wantedBytes };
}

function joined(fragments: Buffer[]): Buffer {
  return fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments);
}

/** What a ClientHello's body wants; undefined when its fields do not fit into each other. */
function wantedBy(hello: Fields): Wanted | undefined {
  hello.take(2 + RANDOM_BYTES);
  hello.vector(1); // legacy session id
  hello.vector(2); // cipher suites
  hello.vector(1); // compression methods
  if (hello.isWhole && hello.isEmpty) return { protocols: [], serverName: '' }; // TLS 1.2 may leave the extensions out.
  const extensions = hello.vector(2);
  if (!hello.isWhole || !hello.isEmpty) return undefined;
  let protocols: string[] | undefined;
  let serverName = '';
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (!extensions.isWhole) return undefined;
    if (type === SERVER_NAME_EXTENSION) serverName = nameIn(body);
    if (type !== ALPN_EXTENSION) continue;
    if (protocols !== undefined) return undefined; // No extension may come twice.
    protocols = protocolNames(body);
    if (protocols === undefined) return undefined;
  }
  return { protocols: protocols ?? [], serverName };
}

/** The host name of the extension; TLS refuses by itself what is wrong about it. */
function nameIn(extension: Fields): string {
  const list = extension.vector(2);
  const isHostName = list.number(1) === HOST_NAME;
  const name = list.vector(2);
  const text = name.text().toLowerCase();
  return list.isWhole && isHostName && /^[a-z0-9._-]{1,255}$/.test(text) ? text.replace(/\.$/, '') : '';
}

function protocolNames(extension: Fields): string[] | undefined {
  const list = extension.vector(2);
  if (!extension.isWhole || !extension.isEmpty || list.isEmpty) return undefined;
  const names: string[] = [];
  while (!list.isEmpty) {
    const name = list.vector(1);
    if (!list.isWhole || name.isEmpty) return undefined;
    names.push(name.text());
  }
  return names;
}

/** Reads fields one after the other, never beyond its bytes: once something is missing, `isWhole` is false and all that follows is empty. */
class Fields {
  isWhole = true;
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  take(count: number): Buffer {
    if (count > this.#bytes.length) this.isWhole = false;
    const taken = this.#bytes.subarray(0, this.isWhole ? count : 0);
    this.#bytes = this.#bytes.subarray(this.isWhole ? count : this.#bytes.length);
    return taken;
  }

  number(sizeBytes: 1 | 2): number {
    const taken = this.take(sizeBytes);
    return this.isWhole ? taken.readUIntBE(0, sizeBytes) : 0;
  }

  /** What a length of `sizeBytes` announces. */
  vector(sizeBytes: 1 | 2): Fields {
    return new Fields(this.take(this.number(sizeBytes)));
  }

  text(): string {
    return this.#bytes.toString('latin1');
  }
}
