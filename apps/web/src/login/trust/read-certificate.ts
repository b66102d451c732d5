/** What 'Who would I lose?' needs to know of a certificate; read here, so that it never leaves the browser as a file. */
export interface ReadCertificate {
  /** DNS names and addresses, lower case. */
  names: string[];
  /** SHA-256 of its public key (SubjectPublicKeyInfo), hex. */
  keySha256: string;
  expiresAtMs: number;
  isSelfSigned: boolean;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;
const TEXT_MAX_CHARACTERS = 200_000;
/** ASN.1 tags (X.690). */
const TAG = { utcTime: 0x17, version: 0xa0, extensions: 0xa3, dns: 0x82, address: 0x87 };
/** id-ce-subjectAltName 2.5.29.17 and id-at-commonName 2.5.4.3 as DER contents. */
const SUBJECT_ALTERNATIVE_NAME = '551d11';
const COMMON_NAME = '550403';

interface Element {
  tag: number;
  content: Uint8Array;
  /** With tag and length. */
  whole: Uint8Array<ArrayBuffer>;
}

/** Reads the first certificate of a PEM text; undefined when there is none that can be read. */
export async function readCertificate(pem: string): Promise<ReadCertificate | undefined> {
  const body = pem.length <= TEXT_MAX_CHARACTERS ? CERTIFICATE.exec(pem)?.[1] : undefined;
  if (body === undefined) return undefined;
  try {
    return await readDer(Uint8Array.from(atob(body.replace(/\s/g, '')), (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

/** Certificate ::= SEQUENCE { tbsCertificate, ... }, RFC 5280 4.1. Throws on anything else. */
async function readDer(der: Uint8Array<ArrayBuffer>): Promise<ReadCertificate> {
  const [certificate] = elementsOf(der);
  const [signed] = elementsOf(needed(certificate).content);
  const parts = elementsOf(needed(signed).content);
  if (parts[0]?.tag === TAG.version) parts.shift();
  const [, , issuer, validity, subject, key] = parts;
  const [, notAfter] = elementsOf(needed(validity).content);
  const extensions = parts.find(({ tag }) => tag === TAG.extensions);
  const alternative = extensions === undefined ? [] : alternativeNames(extensions);
  return {
    names: alternative.length > 0 ? alternative : commonNames(needed(subject)),
    keySha256: hex(new Uint8Array(await crypto.subtle.digest('SHA-256', needed(key).whole))),
    expiresAtMs: instantOf(needed(notAfter)),
    isSelfSigned: hex(needed(issuer).whole) === hex(needed(subject).whole),
  };
}

function needed(element: Element | undefined): Element {
  if (element === undefined) throw new Error('the certificate is cut off');
  return element;
}

/** The elements that follow each other in `bytes` (DER: definite lengths only). */
function elementsOf(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at + 1] ?? 0;
    const more = first < 0x80 ? 0 : first & 0x7f;
    let length = more === 0 ? first : 0;
    for (let index = 0; index < more; index += 1) length = length * 256 + (bytes[at + 2 + index] ?? 0);
    const start = at + 2 + more;
    if (more > 4 || start + length > bytes.length) throw new Error('the certificate is cut off');
    found.push({ tag: bytes[at] ?? 0, content: bytes.slice(start, start + length), whole: bytes.slice(at, start + length) });
    at = start + length;
  }
  return found;
}

function alternativeNames({ content }: Element): string[] {
  for (const extension of elementsOf(needed(elementsOf(content)[0]).content)) {
    const [oid, ...rest] = elementsOf(extension.content);
    const value = rest.at(-1);
    if (oid === undefined || value === undefined || hex(oid.content) !== SUBJECT_ALTERNATIVE_NAME) continue;
    return elementsOf(needed(elementsOf(value.content)[0]).content)
      .filter(({ tag }) => tag === TAG.dns || tag === TAG.address)
      .map(({ tag, content: name }) => (tag === TAG.dns ? text(name).toLowerCase() : addressOf(name)));
  }
  return [];
}

/** For certificates of old, which have no alternative names. */
function commonNames({ content }: Element): string[] {
  return elementsOf(content)
    .flatMap((set) => elementsOf(set.content))
    .map((attribute) => elementsOf(attribute.content))
    .filter(([oid]) => oid !== undefined && hex(oid.content) === COMMON_NAME)
    .map(([, value]) => text(needed(value).content).toLowerCase());
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => hex(bytes.slice(index * 2, index * 2 + 2)));
  // The browser writes an address in its one short form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** UTCTime `YYMMDDHHMMSSZ` (years 1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ`. */
function instantOf({ tag, content }: Element): number {
  const digits = text(content);
  const full = tag === TAG.utcTime ? `${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}` : digits;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? [];
  const atMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  if (Number.isNaN(atMs)) throw new Error('the certificate has no end');
  return atMs;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
