#!/usr/bin/env node
/**
 * Says whether a recording (docs/spec/wire.md, section 6) or an audit export (docs/spec/audit-export.md) is whole, and what a fleet proof proves, or the
 * report of an upgrade plan says. One file, no
 * dependency, Node 20 or newer; memory stays the same however large FILE is.
 *
 *   node verify.mjs [fleet-proof | plan-report] FILE [--head HASH] [--identity CERTIFICATE]
 *
 * Exit code: 0 whole · 1 broken · 2 incomplete · 64 used wrongly, or FILE cannot be read.
 */
import { createHash, verify as isSignature, X509Certificate } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';

const Exit = { whole: 0, broken: 1, incomplete: 2, usage: 64 };
const RECORDING_MAGIC = 'BASCREC1';
const FRAME_MAX_BYTES = 1024 * 1024;
const HASH_BYTES = 32;
const LINE_MAX_BYTES = 16 * 1024 * 1024;
const CHAINS_MAX = 10_000;
const IDENTITY_MAX_BYTES = 64 * 1024;
const FrameType = { header: 1, output: 2, resumed: 3, end: 4, gap: 5 };
/** Exports of 0.1 have no signed heads. */
const HEADS_FORMAT = 'bascule-audit/2';
/** With the site identities before the one in force. */
const FORMER_FORMAT = 'bascule-audit/3';
const AUDIT_FORMATS = ['bascule-audit/1', HEADS_FORMAT, FORMER_FORMAT];
const ZEROS = '0'.repeat(64);
/** Events of this code tell of a discarded history that was taken in (audit-export 5.2). */
const BRANCH_CODE = 'AUDIT_BRANCH_MERGED';
const BRANCHES_NAMED_MAX = 50;
const PROOF_FORMAT = 'bascule-fleet-proof/1';
/** Shorter than the first line of an audit export. */
const PROOF_START = '{"format":"bascule-fleet';
const PROOF_MAX_BYTES = 512 * 1024 * 1024;
const UNPROVED_NAMED_MAX = 20;
const REPORT_FORMAT = 'bascule-plan-report/1';
/** Not longer than what tells a fleet proof. */
const REPORT_START = '{"statement":"{';
const REPORT_MAX_BYTES = 1024 * 1024;
const USAGE = `Usage: node verify.mjs [fleet-proof | plan-report] FILE [--head HASH] [--identity CERTIFICATE]

Says whether a recording (.bsr) or an audit export (.jsonl) is whole, or whether a fleet proof (.json) is signed and shows every client upgraded.
The report of an upgrade plan (.json) is checked too: whether it is signed, and by whom.
fleet-proof takes FILE for nothing else than a fleet proof, plan-report for nothing else than the report of an upgrade plan.
--head HASH compares the head with one you wrote down (64 hexadecimal digits).
--identity CERTIFICATE checks the signed heads of an audit export, or the signature of a fleet proof or a plan's report, with this certificate of the site (PEM), not with the one that the file names.
Exit code: 0 whole, 1 broken, 2 incomplete, 64 used wrongly or unreadable.`;

/** What was found wrong, and where. */
class Broken extends Error {}
/** The file stops before its end. */
class Incomplete extends Error {}
/** Asked for what this file cannot be asked for. */
class Misused extends Error {}

/** Reads a stream in pieces of a wanted size, holding no more than one piece and one chunk. */
class ByteReader {
  #chunks;
  #held = Buffer.alloc(0);
  #ended = false;
  constructor(stream) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** The next `length` bytes, or fewer at the end. */
  async take(length) {
    while (this.#held.length < length && (await this.#more()));
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  /** The next line with its newline; without one at the end of the file. */
  async takeLine() {
    let searched = 0;
    for (;;) {
      const newline = this.#held.indexOf(10, searched);
      if (newline >= 0) return this.take(newline + 1);
      if (this.#held.length > LINE_MAX_BYTES) throw new Broken('a line is too long');
      searched = this.#held.length;
      if (!(await this.#more())) return this.take(this.#held.length);
    }
  }

  async #more() {
    if (this.#ended) return false;
    const { value, done } = await this.#chunks.next();
    this.#ended = done === true;
    if (value) this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return !this.#ended;
  }
}

/** What is left of the line that `start` begins; nothing when it held the newline already. */
async function restOfLine(reader, start) {
  return start.includes(10) ? Buffer.alloc(0) : await reader.takeLine();
}

function parseJson(bytes, where) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const value = JSON.parse(text);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('not an object');
    return value;
  } catch (error) {
    throw new Broken(`${where}: ${error.message}`);
  }
}

const printable = (value) => String(value ?? '?').replace(/\p{Cc}/gu, '\u{FFFD}');
const instant = (ms) => (Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : '?');

/** wire 6: walks the frames; what it learns goes into `found` at once, so that it can be told of a broken file too. */
async function verifyRecording(reader, found) {
  Object.assign(found, {
    kind: 'recording',
    frames: 0,
    wholeBytes: RECORDING_MAGIC.length,
    outBytes: 0,
    head: ZEROS,
    resumed: 0,
    gaps: [],
  });
  let hash = Buffer.alloc(HASH_BYTES);
  let end;
  for (;;) {
    const where = `frame ${found.frames + 1} (byte ${found.wholeBytes})`;
    const length = await reader.take(4);
    if (length.length === 0) break;
    if (end) throw new Broken(`${where}: something follows the end`);
    if (length.length < 4) throw new Incomplete('its tail is torn');
    const bodyBytes = length.readUInt32BE();
    if (bodyBytes < 1 || bodyBytes > FRAME_MAX_BYTES) throw new Broken(`${where}: its length of ${bodyBytes} is not possible`);
    const rest = await reader.take(bodyBytes + HASH_BYTES);
    if (rest.length < bodyBytes + HASH_BYTES) throw new Incomplete('its tail is torn');
    const frame = rest.subarray(0, bodyBytes);
    hash = createHash('sha256').update(hash).update(length).update(frame).digest();
    if (!hash.equals(rest.subarray(bodyBytes))) throw new Broken(`${where}: its hash does not fit`);
    end = takeFrame(frame[0], frame.subarray(1), where, found);
    found.frames += 1;
    found.wholeBytes += 4 + bodyBytes + HASH_BYTES;
    found.head = hash.toString('hex');
  }
  if (!end) throw new Incomplete('it has no end frame (still running, or cut)');
}

/** One frame's meaning; returns the END frame's content. */
function takeFrame(type, body, where, found) {
  if ((type === FrameType.header) !== (found.frames === 0))
    throw new Broken(`${where}: the header must be the first frame, once`);
  if (type === FrameType.header) {
    found.header = parseJson(body, where);
    if (found.header.format !== 'bascule-recording/1')
      throw new Broken(`${where}: unknown format ${printable(found.header.format)}`);
  } else if (type === FrameType.output) {
    if (body.length < 16) throw new Broken(`${where}: too short`);
    const offset = body.readBigUInt64BE(0);
    if (offset !== BigInt(found.outBytes)) throw new Broken(`${where}: its offset is ${offset}, expected ${found.outBytes}`);
    found.outBytes += body.length - 16;
  } else if (type === FrameType.resumed) {
    parseJson(body, where);
    found.resumed += 1;
  } else if (type === FrameType.gap) {
    const { from, to, atMs, reason } = parseJson(body, where);
    if (from !== found.outBytes || !Number.isSafeInteger(to) || to <= from)
      throw new Broken(`${where}: a gap from ${printable(from)} to ${printable(to)}, where output ends at ${found.outBytes}`);
    found.gaps.push({ from, to, atMs, reason });
    found.outBytes = to;
  } else if (type === FrameType.end) {
    found.end = parseJson(body, where);
    if (found.end.outBytes !== found.outBytes)
      throw new Broken(
        `${where}: the end tells of ${printable(found.end.outBytes)} bytes of output, there are ${found.outBytes}`,
      );
    if ((found.end.gapBytes ?? 0) !== gapBytesOf(found))
      throw new Broken(
        `${where}: the end tells of ${printable(found.end.gapBytes)} bytes in gaps, there are ${gapBytesOf(found)}`,
      );
    return found.end;
  } else {
    throw new Broken(`${where}: unknown frame type ${type}`);
  }
  return undefined;
}

const AUDIT_FIELDS = {
  id: 'string',
  appliance: 'string',
  epoch: 'number',
  sequence: 'number',
  atMs: 'number',
  code: 'string',
  actorKind: 'string',
  actorId: 'string or null',
  actorName: 'string',
  address: 'string',
  summary: 'string',
  details: 'string',
  previousHash: 'string',
  hash: 'string',
};

/** audit-export 3: every line re-hashed, chained to the one before it in its chain, and the whole file sealed by the end line. */
async function verifyAudit(reader, firstLine, found) {
  Object.assign(found, { kind: 'audit', events: 0, lines: 1, wholeBytes: firstLine.length, head: ZEROS, chains: new Map() });
  Object.assign(found, { heads: 0, unsigned: 0, openings: new Map(), partings: new Map(), branches: new Map() });
  const format = AUDIT_FORMATS.find((name) => firstLine.toString('latin1') === `{"format":"${name}"}\n`);
  if (format === undefined) throw new Broken('line 1: the header is not that of an audit export');
  const whole = createHash('sha256').update(firstLine);
  for (;;) {
    const where = `line ${found.lines + 1}`;
    const line = await reader.takeLine();
    if (line.length === 0 || line.at(-1) !== 10) throw new Incomplete('it has no end line (cut)');
    const value = parseJson(line, where);
    // What does not read back byte for byte was not written by the export: no second spelling of a line goes unnoticed.
    if (!Buffer.from(`${JSON.stringify(value)}\n`).equals(line)) throw new Broken(`${where}: it is not as it was written`);
    if ('end' in value) {
      checkEnd(value, whole.digest('hex'), where, found);
      if ((await reader.take(1)).length > 0) throw new Broken(`line ${found.lines + 2}: something follows the end`);
      return;
    }
    const hasHeads = format !== AUDIT_FORMATS[0];
    if (hasHeads && 'identity' in value) takeIdentity(value, where, found);
    else if (format === FORMER_FORMAT && 'former' in value) takeFormer(value, where, found);
    else if (hasHeads && 'head' in value) takeHead(value, where, found);
    else takeEvent(value, where, found);
    whole.update(line);
    found.lines += 1;
    found.wholeBytes += line.length;
  }
}

function checkEnd(value, sha256, where, found) {
  const expected = { end: { events: found.events, head: found.head, sha256 } };
  if (JSON.stringify(value) !== JSON.stringify(expected))
    throw new Broken(`${where}: the end line does not fit what is above it`);
  for (const [name, branch] of found.branches) {
    const chain = found.chains.get(name);
    if (chain?.sequence !== branch.toSequence || chain.hash !== branch.head)
      throw new Broken(`${branch.where}: the discarded history that it tells of is another than the one here`);
  }
}

function takeEvent(event, where, found) {
  const names = Object.keys(event).join();
  if (names !== Object.keys(AUDIT_FIELDS).join()) throw new Broken(`${where}: its fields are not those of an audit event`);
  for (const [name, type] of Object.entries(AUDIT_FIELDS)) {
    const right =
      type === 'string or null' ? event[name] === null || typeof event[name] === 'string' : typeof event[name] === type;
    if (!right) throw new Broken(`${where}: ${name} is not a ${type}`);
  }
  const { previousHash, hash, ...rest } = event;
  const computed = createHash('sha256')
    .update(JSON.stringify(['bascule-audit/1', previousHash, ...Object.values(rest)]))
    .digest('hex');
  if (computed !== hash) throw new Broken(`${where} (event ${event.sequence}): its hash does not fit`);
  chainEvent(event, where, found);
  if (event.code === BRANCH_CODE) takeBranch(event, where, found);
  found.events += 1;
  found.unsigned += 1;
  found.head = hash;
  found.first ??= event;
  found.last = event;
}

/** audit-export 3.3: a chain goes on from its own head; a new one opens with the head of another, or with zeros as the very first. */
function chainEvent(event, where, found) {
  const { chains } = found;
  const name = JSON.stringify([event.appliance, event.epoch]);
  const own = chains.get(name);
  if (own) {
    if (event.sequence !== own.sequence + 1) throw new Broken(`${where}: event ${event.sequence} follows event ${own.sequence}`);
    if (event.previousHash !== own.hash) throw new Broken(`${where}: event ${event.sequence} is not chained to the one before`);
    const other = found.openings.get(event.previousHash);
    if (other !== undefined) notePartings(found, event, [other, name]);
  } else {
    const opens = (chain) =>
      (chain.sequence === event.sequence - 1 && chain.hash === event.previousHash) ||
      (chain.sequence === event.sequence && chain.previousHash === event.previousHash);
    const first = chains.size === 0 && event.sequence === 1 && event.previousHash === ZEROS;
    if (!first && ![...chains.values()].some(opens))
      throw new Broken(`${where}: event ${event.sequence} opens a chain that nothing leads to`);
    if (chains.size >= CHAINS_MAX) throw new Broken(`${where}: more than ${CHAINS_MAX} chains`);
    const besides = [...chains].filter(
      ([, chain]) => chain.sequence === event.sequence && chain.previousHash === event.previousHash,
    );
    if (besides.length > 0) notePartings(found, event, [...besides.map(([beside]) => beside), name]);
    found.openings.set(event.previousHash, name);
  }
  chains.set(name, { sequence: event.sequence, hash: event.hash, previousHash: event.previousHash });
}

/** audit-export 5.1: two chains go on from one event: there were two histories. */
function notePartings({ partings }, event, names) {
  const known = partings.get(event.previousHash) ?? { sequence: event.sequence, names: new Set() };
  for (const name of names) known.names.add(name);
  partings.set(event.previousHash, known);
}

/** audit-export 5.2: which of them was discarded; compared with what is here at the end of the file. */
function takeBranch(event, where, found) {
  const { appliance, epoch, fromSequence, toSequence, head } = parseJson(Buffer.from(event.details), where);
  const isBranch =
    typeof appliance === 'string' && [epoch, fromSequence, toSequence].every(Number.isSafeInteger) && /^[0-9a-f]{64}$/.test(head);
  if (!isBranch) throw new Broken(`${where}: it does not name the discarded history that it tells of`);
  const name = JSON.stringify([appliance, epoch]);
  const first = found.branches.get(name)?.fromSequence ?? fromSequence;
  found.branches.set(name, { appliance, epoch, fromSequence: Math.min(first, fromSequence), toSequence, head, where });
}

/** audit-export 2.3: the certificate that heads are signed with, once, before everything else. */
function takeIdentity(value, where, found) {
  if (found.lines !== 1 || Object.keys(value).join() !== 'identity' || typeof value.identity !== 'string')
    throw new Broken(`${where}: no place for an identity`);
  const named = certificatesOf(value.identity);
  if (named.length !== 1) throw new Broken(`${where}: the identity is no certificate`);
  found.identities ??= named;
  found.vouching = named[0];
}

/** audit-export 2.6: an identity before the one named above it, which says so with its signature: so whoever trusts the newest trusts them all. */
function takeFormer(value, where, found) {
  const { certificate, sinceMs, endedAtMs, signature } = value.former ?? {};
  const expected = { former: { certificate, sinceMs, endedAtMs, signature } };
  if (JSON.stringify(value) !== JSON.stringify(expected) || found.vouching === undefined || found.events + found.heads > 0)
    throw new Broken(`${where}: no place for a former identity`);
  const [former, ...more] = certificatesOf(String(certificate));
  if (former === undefined || more.length > 0) throw new Broken(`${where}: the former identity is no certificate`);
  const fingerprint = createHash('sha256').update(former.raw).digest('hex');
  const text = Buffer.from(`bascule-former/1\n${fingerprint}\n${sinceMs}\n${endedAtMs}`);
  if (!isSignature('sha256', text, found.vouching.publicKey, Buffer.from(String(signature), 'base64')))
    throw new Broken(`${where}: the identity after this one did not sign that it was the site's`);
  // With --identity: only what leads on from a certificate that was given.
  const trusted = [...found.identities, ...(found.former ?? [])];
  const isTrusted = trusted.some(({ publicKey }) => publicKey.equals(found.vouching.publicKey));
  found.vouching = former;
  if (isTrusted) found.former = [...(found.former ?? []), former];
}

/** audit-export 2.4: a signed statement about the head that a chain has at this place. */
function takeHead(value, where, found) {
  const { statement: text, signature: base64 } = value.head ?? {};
  if (JSON.stringify(value) !== JSON.stringify({ head: { statement: text, signature: base64 } }) || typeof text !== 'string')
    throw new Broken(`${where}: its fields are not those of a signed head`);
  const signature = Buffer.from(String(base64), 'base64');
  if (signature.toString('base64') !== base64) throw new Broken(`${where}: its signature is not as it was written`);
  const isOf = ({ publicKey }) => isSignature('sha256', Buffer.from(text), publicKey, signature);
  if (found.identities !== undefined && ![...found.identities, ...(found.former ?? [])].some(isOf))
    throw new Broken(`${where}: the signature of this head is not that of the site's identity`);

  const head = parseJson(Buffer.from(text), where);
  if (head.format !== 'bascule-head/1') throw new Broken(`${where}: unknown format ${printable(head.format)}`);
  const { sequence, hash } = head.audit ?? {};
  const { chains } = found;
  const own = chains.get(JSON.stringify([head.appliance, head.epoch]));
  const isHead = (chain) => chain.sequence === sequence && chain.hash === hash;
  // A chain without an event of its own goes on from another, the very first from zeros.
  const fits = own ? isHead(own) : [...chains.values()].some(isHead) || (sequence === 0 && hash === ZEROS && chains.size === 0);
  if (!fits) throw new Broken(`${where}: a signed head says that event ${printable(sequence)} is another than the one here`);
  found.heads += 1;
  found.unsigned = 0;
  found.lastHead = head;
}

/** The certificates of a PEM text, none when one of them cannot be read or has no key of the kind that signs heads. */
function certificatesOf(text) {
  try {
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const certificates = blocks.map((block) => new X509Certificate(block));
    return certificates.every(({ publicKey }) => publicKey.asymmetricKeyType === 'ec') ? certificates : [];
  } catch {
    return [];
  }
}

/** The certificates of the file that --identity names. */
function readIdentities(file) {
  const bytes = readFileSync(file);
  const certificates = bytes.length <= IDENTITY_MAX_BYTES ? certificatesOf(bytes.toString('latin1')) : [];
  if (certificates.length === 0) throw new Misused(`${file} holds no certificate (PEM).`);
  return certificates;
}

/** Whether the text of a fleet proof is signed, says of itself what its clients say, and shows every client in the site's version after the site's upgrade. */
async function verifyProof(reader, start, found) {
  const bytes = await reader.take(PROOF_MAX_BYTES);
  if (bytes.length === PROOF_MAX_BYTES) throw new Broken('byte 0: it is too long');
  const file = parseJson(Buffer.concat([start, bytes]), 'byte 0');
  Object.assign(found, { kind: 'proof', wholeBytes: start.length + bytes.length });
  if (file.format !== PROOF_FORMAT) throw new Broken(`byte 0: its format is not ${PROOF_FORMAT}`);
  found.identities ??= certificatesOf(String(file.certificate));
  if (found.identities.length === 0) throw new Broken('its certificate: there is none that can be read');
  const isGood = ({ publicKey }) =>
    isSignature('sha256', Buffer.from(`${PROOF_FORMAT}\n${file.text}`), publicKey, Buffer.from(String(file.signature), 'base64'));
  found.signer = found.identities.find(isGood);
  if (found.signer === undefined) throw new Broken('its signature: it does not fit the text and the certificate');
  const proof = parseJson(Buffer.from(file.text), 'its text');
  found.proof = proof;
  if (!Array.isArray(proof.clients)) throw new Broken('its text: it names no clients');
  const isProved = ({ state, provedAtMs, version }) =>
    (state === 'ahead' || (state === 'current' && version === proof.version)) && provedAtMs > proof.siteUpgradedAtMs;
  found.unproved = proof.clients.filter((client) => !isProved(client));
  if (proof.isComplete === true && found.unproved.length > 0) throw new Broken('its text: it calls itself complete and is not');
  if (found.unproved.length > 0)
    throw new Incomplete(`${found.unproved.length} of ${proof.clients.length} clients are not proved`);
}

/** Whether the report of an upgrade plan is signed, and is such a report: the site's identity signs other statements too. */
async function verifyPlanReport(reader, start, found) {
  const bytes = await reader.take(REPORT_MAX_BYTES);
  if (bytes.length === REPORT_MAX_BYTES) throw new Broken('byte 0: it is too long');
  const { statement, signature, certificate } = parseJson(Buffer.concat([start, bytes]), 'byte 0');
  Object.assign(found, { kind: 'report', wholeBytes: start.length + bytes.length });
  found.identities ??= certificatesOf(String(certificate));
  if (found.identities.length === 0) throw new Broken('its certificate: there is none that can be read');
  const isGood = ({ publicKey }) =>
    isSignature('sha256', Buffer.from(String(statement)), publicKey, Buffer.from(String(signature), 'base64'));
  found.signer = found.identities.find(isGood);
  if (found.signer === undefined) throw new Broken('its signature: it does not fit the statement and the certificate');
  const report = parseJson(Buffer.from(statement), 'its statement');
  if (report.format !== REPORT_FORMAT) throw new Broken(`its statement: its format is not ${REPORT_FORMAT}`);
  found.report = report;
}

function summariseReport({ report, signer, isIdentityGiven }, add) {
  if (!report) return;
  add('plan', `${printable(report.kind)}, ${printable(report.plan)}, by ${printable(report.by)}`);
  add('when', `${instant(report.startedAtMs)} to ${instant(report.endedAtMs)}`);
  for (const { appliance, role, base, site } of report.before ?? []) {
    const after = (report.after ?? []).find((side) => side.appliance === appliance) ?? {};
    add(
      printable(appliance).slice(0, 12),
      `${printable(role)} with base ${printable(base)}, site ${printable(site)}; afterwards ${printable(after.role)} with base ${printable(after.base)}, site ${printable(after.site)}`,
    );
  }
  const { sessions, clients, lagAtSwitch, withoutServiceMs, serviceAsked, testSession } = report;
  const asked = serviceAsked
    ? `, of ${printable(serviceAsked.url)}, where ${(serviceAsked.answeredBy ?? []).map(printable).join(', ') || 'nobody'} answered${serviceAsked.notAskedMs > 0 ? `; for ${printable(serviceAsked.notAskedMs)} ms nobody asked` : ''}`
    : '';
  add('service', `${withoutServiceMs === null ? 'not proved' : `${printable(withoutServiceMs)} ms without`}${asked}`);
  add(
    'sessions',
    `${printable(sessions?.ended)} of ${printable(sessions?.before)} ended; test session: ${printable(testSession?.outcome)}`,
  );
  if (lagAtSwitch) add('lag', `${printable(lagAtSwitch.changes)} changes, ${printable(lagAtSwitch.seconds)} s at the switch`);
  add(
    'clients',
    `${printable(clients?.current)} of ${printable(clients?.total)} current, ${printable(clients?.failed ?? 0)} failed, ${printable(clients?.absent)} absent`,
  );
  for (const { number, kind, on, state, seconds } of report.steps ?? [])
    add(`step ${printable(number)}`, `${printable(kind)} on ${printable(on)}: ${printable(state)}, ${printable(seconds)} s`);
  const origin = isIdentityGiven ? 'as given' : 'as the file itself says: compare it with the site';
  add('identity', `${createHash('sha256').update(signer.raw).digest('hex')} (${origin})`);
}

function summariseProof({ proof, signer, unproved = [], isIdentityGiven }, add) {
  if (!proof) return;
  add(
    'site',
    `${printable(proof.site)} (${printable(proof.appliance)}), version ${printable(proof.version)} since ${instant(proof.siteUpgradedAtMs)}`,
  );
  add('made', instant(proof.madeAtMs));
  add('content', `${proof.clients?.length ?? 0} clients, ${unproved.length} of them not proved`);
  for (const { name, version, state } of unproved.slice(0, UNPROVED_NAMED_MAX))
    add('not proved', `${printable(name)}, ${printable(version)}, ${printable(state)}`);
  const origin = isIdentityGiven ? 'as given' : 'as the file itself says: compare it with the site';
  add('identity', `${createHash('sha256').update(signer.raw).digest('hex')} (${origin})`);
}

function summariseHeads({ heads, lastHead, unsigned, identities, former = [], isIdentityGiven }, add) {
  if (heads === 0) return add('signed', 'no signed head: nothing says who wrote this');
  add('signed', `${heads} head(s), the last of ${instant(lastHead.atMs)}; ${unsigned} event(s) after it`);
  if (identities === undefined)
    return add('identity', 'SIGNATURES NOT CHECKED: the file names no certificate; give it with --identity');
  const origin = isIdentityGiven ? 'as given' : 'as the file itself says: compare it with the site';
  for (const { raw } of identities) add('identity', `${createHash('sha256').update(raw).digest('hex')} (${origin})`);
  for (const { raw } of former)
    add('before it', `${createHash('sha256').update(raw).digest('hex')} (vouched for by the one after it)`);
}

function summariseHistories({ partings, branches }, add) {
  const named = (chain) => {
    const [appliance, epoch] = JSON.parse(chain);
    return `${printable(appliance)} (epoch ${epoch})`;
  };
  for (const { sequence, names } of [...partings.values()].slice(0, BRANCHES_NAMED_MAX)) {
    const open = [...names].every((name) => !branches.has(name));
    const rest = open ? '; nothing here says which one was discarded' : '';
    add('parted', `before event ${sequence}: ${[...names].map(named).join(' and ')} both go on from one event${rest}`);
  }
  for (const { appliance, epoch, fromSequence, toSequence } of [...branches.values()].slice(0, BRANCHES_NAMED_MAX))
    add(
      'discarded',
      `${printable(appliance)} (epoch ${epoch}), events ${fromSequence} to ${toSequence}: kept beside the history that goes on`,
    );
}

const gapBytesOf = ({ gaps }) => (gaps ?? []).reduce((sum, { from, to }) => sum + to - from, 0);

function summarise(found) {
  const lines = [];
  const add = (label, value) => lines.push(`  ${`${label}:`.padEnd(12)} ${value}`);
  if (found.kind === 'recording') {
    const { header, end } = found;
    if (header) {
      add('who', `${printable(header.user?.name)} from ${printable(header.fromAddress)}`);
      add(
        'what',
        `${printable(header.program)} on ${printable(header.jumpItem?.name)} (${printable(header.jumpItem?.hostName)}, as ${printable(header.jumpItem?.runsAs)}), session ${printable(header.session)}`,
      );
      add('when', `${instant(header.startedAtMs)} to ${end ? instant(end.endedAtMs) : '?'}`);
      add('appliance', printable(header.appliance));
    }
    if (end) add('ended', `${printable(end.reason)}${end.exitCode === null ? '' : `, exit code ${printable(end.exitCode)}`}`);
    add(
      'content',
      `${found.frames} frames, ${found.outBytes - gapBytesOf(found)} bytes of output${found.resumed > 0 ? `, taken up again ${found.resumed} times` : ''}`,
    );
    for (const { from, to, atMs, reason } of found.gaps ?? [])
      add('MISSING', `${to - from} bytes of output behind ${from} (noted ${instant(atMs)}: ${printable(reason)})`);
  } else if (found.kind === 'audit') {
    add('content', `${found.events} audit events in ${found.chains.size} chain(s)`);
    if (found.first) add('when', `${instant(found.first.atMs)} to ${instant(found.last.atMs)}`);
    if (found.last)
      add('last', `${printable(found.last.actorName)}: ${printable(found.last.summary)} (${printable(found.last.appliance)})`);
    summariseHistories(found, add);
    summariseHeads(found, add);
  } else if (found.kind === 'proof') {
    summariseProof(found, add);
  } else if (found.kind === 'report') {
    summariseReport(found, add);
  }
  if (found.head) add('head', found.head);
  return lines;
}

/** Verifies `file`; returns the exit code and the text to print. */
async function verify({ file, head: wantedHead, identity, isProof, isReport }) {
  const found = {};
  try {
    if (identity !== undefined) Object.assign(found, { identities: readIdentities(identity), isIdentityGiven: true });
    const reader = new ByteReader(createReadStream(file, { highWaterMark: 256 * 1024 }));
    const magic = await reader.take(RECORDING_MAGIC.length);
    if (identity !== undefined && magic[0] === RECORDING_MAGIC.charCodeAt(0))
      throw new Misused(`${file} is a recording; --identity is for audit exports.`);
    if (isProof && magic[0] !== 0x7b) throw new Broken('byte 0: it is no fleet proof');
    if (isReport && magic[0] !== 0x7b) throw new Broken('byte 0: it is no report of an upgrade plan');
    if (magic.toString('latin1') === RECORDING_MAGIC) await verifyRecording(reader, found);
    else if (RECORDING_MAGIC.startsWith(magic.toString('latin1'))) throw new Incomplete('it holds no whole frame');
    else if (magic[0] === 0x7b) {
      const start = Buffer.concat([magic, await reader.take(PROOF_START.length - magic.length)]);
      if (start.toString('latin1') === PROOF_START && !isReport) await verifyProof(reader, start, found);
      else if (start.toString('latin1').startsWith(REPORT_START) && !isProof) await verifyPlanReport(reader, start, found);
      else if (isReport) throw new Broken('byte 0: it is no report of an upgrade plan');
      else if (isProof) throw new Broken('byte 0: it is no fleet proof');
      else await verifyAudit(reader, Buffer.concat([start, await restOfLine(reader, start)]), found);
    } else throw new Broken('byte 0: neither a recording nor an audit export');
    if (wantedHead !== undefined && found.head !== wantedHead.toLowerCase())
      throw new Broken(`its head is ${found.head}, not ${wantedHead.toLowerCase()}`);
    if (found.kind === 'report') return { code: Exit.whole, text: [`${file}: signed`, ...summarise(found)] };
    if (found.kind === 'proof') return { code: Exit.whole, text: [`${file}: signed and complete`, ...summarise(found)] };
    if (identity !== undefined && found.heads === 0) throw new Broken('its end: it has no signed head');
    return { code: Exit.whole, text: [`${file}: whole`, ...summarise(found)] };
  } catch (error) {
    if (error instanceof Misused) return { code: Exit.usage, text: [error.message] };
    if (error instanceof Broken) return { code: Exit.broken, text: [`${file}: BROKEN at ${error.message}`, ...summarise(found)] };
    if (error instanceof Incomplete) {
      if (found.kind === 'proof')
        return { code: Exit.incomplete, text: [`${file}: signed, incomplete: ${error.message}`, ...summarise(found)] };
      const parts = found.kind === 'audit' ? `${found.events} events` : `${found.frames ?? 0} frames`;
      return {
        code: Exit.incomplete,
        text: [`${file}: incomplete, whole up to byte ${found.wholeBytes ?? 0}, ${parts}: ${error.message}`, ...summarise(found)],
      };
    }
    return { code: Exit.usage, text: [`${file} cannot be read: ${error.message}`] };
  }
}

/** FILE and the values of --head and --identity, or undefined when the command was used wrongly. */
function parseArguments(words) {
  const files = [];
  let head;
  let identity;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index];
    if (word === '--head' || word.startsWith('--head=')) {
      head = word === '--head' ? words[(index += 1)] : word.slice('--head='.length);
      if (!/^[0-9a-f]{64}$/i.test(head ?? '')) return undefined;
    } else if (word === '--identity' || word.startsWith('--identity=')) {
      identity = word === '--identity' ? words[(index += 1)] : word.slice('--identity='.length);
      if (!identity) return undefined;
    } else if (word.startsWith('-')) return undefined;
    else files.push(word);
  }
  const isProof = files.length === 2 && files[0] === 'fleet-proof';
  const isReport = files.length === 2 && files[0] === 'plan-report';
  return files.length === 1 || isProof || isReport ? { file: files.at(-1), head, identity, isProof, isReport } : undefined;
}

const asked = parseArguments(process.argv.slice(2));
if (asked) {
  const { code, text } = await verify(asked);
  (code === Exit.whole ? console.log : console.error)(text.join('\n'));
  process.exitCode = code;
} else {
  console.error(USAGE);
  process.exitCode = Exit.usage;
}
