/** What establishing looks at, each as one line for a person (B142-B150). Pure: what was found comes in. */
import { isIP } from 'node:net';
import type { Endpoint, PairCheck } from '@bascule/protocol/api/failover.ts';
import type { EstablishFacts } from '@bascule/protocol/pair-establish.ts';

export const CLOCK_AMBER_MS = 2_000;
export const CLOCK_RED_MS = 60_000;
/** Beyond what is copied: the copy is put beside the former one, and a backup needs room to follow. */
export const FREE_SPACE_RESERVE_BYTES = 512 * 1024 * 1024;

type Params = PairCheck['params'];
type Finding = readonly [outcome: PairCheck['outcome'], text: string, params?: Params, blocks?: boolean];

export function check(code: string, [outcome, text, params = {}, blocks]: Finding): PairCheck {
  return { code, outcome, text, params, ...(blocks !== undefined && { blocks }) };
}

/** Whether establishing is refused because of `line`: a red one, unless it only warns. */
export function blocks(line: PairCheck): boolean {
  return line.outcome === 'red' && line.blocks !== false;
}

/** B150: the name that people and clients use leads to whoever is primary, so it can be neither side's own. */
export function checkSharedName(shared: Endpoint, addresses: { primary: Endpoint; backup: Endpoint }): PairCheck {
  for (const side of ['primary', 'backup'] as const) {
    const endpoint = addresses[side];
    if (isShared(shared, endpoint))
      return check('shared-name', [
        'red',
        `${endpoint.host} is the name that people and clients use: it leads to whichever appliance is primary. Enter the ${side}'s own address.`,
        { host: endpoint.host, side },
      ]);
  }
  return check('shared-name', ['green', `Neither address is the shared name ${shared.host}.`, { host: shared.host }]);
}

/** On the loopback (both appliances on one machine, for a trial) the port is what tells them apart. */
function isShared(shared: Endpoint, endpoint: Endpoint): boolean {
  if (plainHost(shared.host) !== plainHost(endpoint.host)) return false;
  return shared.port === endpoint.port || !isLoopback(plainHost(endpoint.host));
}

/** B149. `resolved`: the addresses that each name leads to now; empty when it is not known here. */
export function checkOwnAddress(
  resolved: { shared: string[]; primary: string[]; backup: string[] },
  addresses: { primary: Endpoint; backup: Endpoint },
): PairCheck {
  for (const side of ['primary', 'backup'] as const) {
    const both = resolved[side].find((address) => !isLoopback(address) && resolved.shared.includes(address));
    if (both === undefined) continue;
    const { host } = addresses[side];
    return check('own-address', [
      'amber',
      `${host} leads to ${both}, and so does the shared name now. That is right when you fail over by DNS; if ${both} is a shared address that moves, enter the appliance's own address instead.`,
      { host, address: both, side },
    ]);
  }
  return check('own-address', ['green', 'Each appliance is reached by an address of its own.']);
}

/** Pages, orders and plans tell the two apart by their names. */
export function checkApplianceName(own: EstablishFacts, peer: EstablishFacts): PairCheck {
  const params = { name: own.appliance };
  if (own.appliance.toLowerCase() !== peer.appliance.toLowerCase())
    return check('appliance-name', [
      'green',
      `The appliances have names of their own: ${own.appliance} and ${peer.appliance}.`,
      { ...params, peer: peer.appliance },
    ]);
  return check('appliance-name', [
    'red',
    `Both appliances are called ${own.appliance}: start one of them with --appliance NAME (BASCULE_APPLIANCE), so that people can tell them apart.`,
    params,
  ]);
}

export function checkVersions(own: EstablishFacts, peer: EstablishFacts): PairCheck {
  const common = own.pairVersions.filter((version) => peer.pairVersions.includes(version));
  const params = { own: own.version, peer: peer.version };
  if (common.length === 0)
    return check('versions', [
      'red',
      `${own.version} here and ${peer.version} there share no version of the pair link: upgrade the older one first.`,
      params,
    ]);
  return check('versions', [
    'green',
    `Both speak version ${Math.max(...common)} of the pair link.`,
    { ...params, version: Math.max(...common) },
  ]);
}

export function checkSchema(own: EstablishFacts, peer: EstablishFacts): PairCheck {
  const params = { own: own.schema, known: peer.knownSchema };
  if (own.schema <= peer.knownSchema)
    return check('schema', ['green', `The backup's software knows the database (schema ${own.schema}).`, params]);
  return check('schema', [
    'amber',
    `The database here (schema ${own.schema}) is newer than the backup's software knows (${peer.knownSchema}). It can follow as long as the steps between only add; it should be upgraded soon.`,
    params,
  ]);
}

/** B143. */
export function checkPackages(own: EstablishFacts, peer: EstablishFacts): PairCheck {
  const params = { own: own.packages.site, peer: peer.packages.site };
  if (own.packages.site === peer.packages.site && own.packages.base === peer.packages.base)
    return check('packages', ['green', `Both run the same installed package (${own.packages.site}).`, params]);
  if (own.packages.site === peer.packages.site)
    return check('packages', [
      'amber',
      `The same site package, but base ${own.packages.base ?? '(unknown)'} here and ${peer.packages.base ?? '(unknown)'} there. The pair works; upgrade the older base soon.`,
      { ...params, ownBase: own.packages.base ?? '', peerBase: peer.packages.base ?? '' },
    ]);
  return check('packages', [
    'amber',
    `Different site packages: ${own.packages.site} here, ${peer.packages.site} there. The backup follows; new functions of the newer one wait until both have it, and clients may be upgraded or stay behind when roles are swapped. Run an upgrade plan soon.`,
    params,
  ]);
}

/** `offsetMs`: the other clock less ours. */
export function checkClock(offsetMs: number, uncertaintyMs: number): PairCheck {
  const params = { offsetMs: Math.round(offsetMs), uncertaintyMs: Math.round(uncertaintyMs) };
  const by = `The other clock is ${Math.abs(offsetMs / 1000).toFixed(1)} s ${offsetMs > 0 ? 'ahead' : 'behind'}`;
  const apartMs = Math.abs(offsetMs) - uncertaintyMs;
  if (apartMs > CLOCK_RED_MS)
    return check('clock', [
      'red',
      `${by}: set both by NTP first. Times in the audit and of logins would be wrong after a swap.`,
      params,
    ]);
  if (apartMs > CLOCK_AMBER_MS) return check('clock', ['amber', `${by}: let both be set by NTP.`, params]);
  return check('clock', ['green', 'Both clocks agree.', params]);
}

export function checkFreeSpace(own: EstablishFacts, peer: EstablishFacts): PairCheck {
  const { databaseBytes, recordingBytes, fileBytes } = own.stored;
  const neededBytes = 2 * databaseBytes + recordingBytes + fileBytes + FREE_SPACE_RESERVE_BYTES;
  if (peer.freeBytes === null)
    return check('free-space', ['amber', 'The backup does not say how much space it has.', { neededBytes }]);
  const params = { neededBytes, freeBytes: peer.freeBytes };
  const figures = `${gibibytes(neededBytes)} are needed, ${gibibytes(peer.freeBytes)} are free`;
  if (peer.freeBytes < 2 * databaseBytes + FREE_SPACE_RESERVE_BYTES)
    return check('free-space', ['red', `The backup has no room for the database (${figures}): make room there.`, params]);
  if (peer.freeBytes < neededBytes)
    return check('free-space', [
      'amber',
      `The backup has no room for all recordings (${figures}): it copies what fits, and says so, until there is more.`,
      params,
    ]);
  return check('free-space', ['green', `The backup has room for everything (${figures}).`, params]);
}

/** Warns in red and does not refuse: a backup with the wrong name is better than none. */
export function checkCertificateName(host: string, names: { own: string[]; peer: string[] }, isHandedOver: boolean): PairCheck {
  const params = { host };
  const covered = isHandedOver ? names.own : names.peer;
  if (covered.some((name) => coversHost(name, host)))
    return check('certificate-name', [
      'green',
      isHandedOver
        ? `The certificate of ${host} is handed over, and the backup serves that name with it.`
        : `The backup's certificate is good for ${host}.`,
      params,
    ]);
  return check('certificate-name', [
    'red',
    isHandedOver
      ? `The certificate of this appliance is not good for ${host} itself: browsers would warn, here and on the backup.`
      : `The backup could not serve ${host}: its certificate is not good for that name, and browsers would refuse it after a swap. Hand over the certificate too.`,
    params,
    false,
  ]);
}

export function checkPaired(own: EstablishFacts, peer: EstablishFacts, keys: { own: string; peer: string }): PairCheck {
  if (own.relationship !== null)
    return check('already-paired', [
      'red',
      `This appliance is in a relationship with ${own.relationship.appliance} already: break that one first.`,
      { appliance: own.relationship.appliance },
    ]);
  if (peer.relationship !== null)
    return check('already-paired', [
      'red',
      peer.relationship.keySha256 === keys.own
        ? `${peer.appliance} still holds to a relationship with this appliance: break it there first.`
        : `${peer.appliance} is in a relationship with ${peer.relationship.appliance}: break that one first.`,
      { appliance: peer.relationship.appliance },
    ]);
  return check('already-paired', ['green', 'Neither appliance is in a relationship.']);
}

/** `*.example.com` stands for one label. */
function coversHost(name: string, host: string): boolean {
  const [one, other] = [plainHost(name), plainHost(host)];
  if (one === other) return true;
  return one.startsWith('*.') && isIP(other) === 0 && other.slice(other.indexOf('.')) === one.slice(1);
}

/** As two spellings of one host are compared: lower case, no brackets, no dot at the end. */
export function plainHost(host: string): string {
  return host
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
