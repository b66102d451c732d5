import { lookup } from 'node:dns/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { EstablishRequest, PairCheck } from '@bascule/protocol/api/failover.ts';
import type { EstablishFacts } from '@bascule/protocol/pair-establish.ts';
import {
  check,
  checkApplianceName,
  checkCertificateName,
  checkClock,
  checkFreeSpace,
  checkOwnAddress,
  checkPackages,
  checkPaired,
  checkSchema,
  checkSharedName,
  checkVersions,
  plainHost,
} from './establish-checks.ts';
import type { EstablishingOptions } from './establish-contract.ts';
import { ownFacts } from './establish-facts.ts';
import { EstablishLine } from './establish-line.ts';

/** The quickest of so many answers tells the clock best. */
const CLOCK_SAMPLES = 5;
/** Dialling back, and the measured transfer. */
const REVERSE_LIMIT_MS = 60_000;
const RESOLVE_LIMIT_MS = 3_000;

/** What was found; nothing was changed by looking. */
export interface Look {
  checks: PairCheck[];
  own: EstablishFacts;
  /** Undefined when it could not be reached, or did not prove the key. */
  peer?: EstablishFacts;
  peerKey?: string;
  /** How fast bytes come to the backup, as far as that was measured, and not above the limit. */
  bytesPerSecond?: number;
  /** Open and proved: whoever looked closes it. */
  line?: EstablishLine;
}

/** Checks everything that establishing needs, both ways, in the order of the page. Throws only what is this appliance's own fault. */
export async function lookAtPeer(options: EstablishingOptions, request: EstablishRequest): Promise<Look> {
  const own = await ownFacts(options);
  const [shared, ownAddress] = [checkSharedName(own.sharedName, request), await lookAtAddresses(own, request)];
  const opened = await openLine(options, request);
  if (opened.line === undefined) return { checks: [...opened.checks, shared, ownAddress], own };
  const { line } = opened;
  try {
    const found = await ask(options, line, request, own);
    return { ...found, checks: [...opened.checks, ...found.checks, shared, ownAddress], own, line };
  } catch (error) {
    line.close();
    if (!(error instanceof AppError)) throw error;
    const broken = check('peer-answers', [
      'red',
      `The connection did not last: ${error.message}`,
      { ...request.backup, ...error.params },
    ]);
    return { checks: [broken, ...opened.checks.filter(({ code }) => code !== 'peer-answers'), shared, ownAddress], own };
  }
}

async function openLine(
  { key, preSharedKey }: EstablishingOptions,
  { backup }: EstablishRequest,
): Promise<{ checks: PairCheck[]; line?: EstablishLine }> {
  const { host, port } = backup;
  const answers = check('peer-answers', ['green', `An appliance answers at ${host}, port ${port}.`, { host, port }]);
  const notItself = check('not-itself', ['green', 'It is another appliance than this one.']);
  const noKey = check('key', [
    'red',
    'No pre-shared key is set on this appliance: set the same one on Management > Security of both.',
    { where: 'here' },
  ]);
  try {
    const line = await EstablishLine.open({ key, preSharedKey, endpoint: backup });
    return { checks: [answers, notItself, check('key', ['green', 'Both have the same pre-shared key.'])], line };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    switch (error.code) {
      case 'FAILOVER_OWN_ADDRESS':
        return { checks: [answers, check('not-itself', ['red', error.message, error.params])] };
      case 'FAILOVER_KEY_REFUSED':
        return {
          checks: [answers, notItself, preSharedKey.isSet ? check('key', ['red', error.message, { where: 'there' }]) : noKey],
        };
      default:
        return {
          checks: [
            check('peer-answers', ['red', error.message, { host, port, ...error.params }]),
            ...(preSharedKey.isSet ? [] : [noKey]),
          ],
        };
    }
  }
}

async function ask(
  options: EstablishingOptions,
  line: EstablishLine,
  request: EstablishRequest,
  own: EstablishFacts,
): Promise<Pick<Look, 'checks' | 'peer' | 'peerKey' | 'bytesPerSecond'>> {
  const { facts: peer } = await line.call({ kind: 'facts' });
  if (peer === undefined) throw new AppError('unavailable', 'PAIR_ANSWER_INVALID', 'It does not say what it is.');
  const clock = await compareClocks(line, options.now ?? Date.now);
  const reverse = await line.call({ kind: 'reverse', primary: request.primary }, { timeoutMs: REVERSE_LIMIT_MS });
  const keys = { own: options.key.sha256, peer: line.peerKey };
  const names = { own: own.certificateNames, peer: peer.certificateNames };
  const checks = [
    checkReverse(request, reverse),
    checkPaired(own, peer, keys),
    checkApplianceName(own, peer),
    checkVersions(own, peer),
    checkSchema(own, peer),
    checkPackages(own, peer),
    clock,
    checkFreeSpace(own, peer),
    checkCertificateName(own.sharedName.host, names, request.withCertificate),
  ];
  const limit = options.bytesPerSecond();
  const measured = reverse.bytesPerSecond ?? 0;
  const bytesPerSecond = limit > 0 ? Math.min(limit, measured) : measured;
  return { checks, peer, peerKey: line.peerKey, ...(bytesPerSecond > 0 && { bytesPerSecond }) };
}

function checkReverse(
  { primary: { host, port } }: EstablishRequest,
  { ok, code = '', message = '', why = '' }: { ok: boolean; code?: string; message?: string; why?: string },
): PairCheck {
  if (ok)
    return check('reverse-connection', ['green', `The backup reaches this appliance at ${host}, port ${port}.`, { host, port }]);
  return check('reverse-connection', [
    'red',
    code === 'PAIR_KEY_DIFFERS'
      ? `From the backup, another appliance than this one answers at ${host}, port ${port}: enter this appliance's own address.`
      : `The backup does not reach this appliance at ${host}, port ${port}: ${message}`,
    { host, port, why: why === '' ? code : why },
  ]);
}

/** The offset is as of half-way between question and answer; off by half of what they took at most. */
async function compareClocks(line: EstablishLine, now: () => number): Promise<PairCheck> {
  let best = { offsetMs: 0, uncertaintyMs: Infinity };
  for (let sample = 0; sample < CLOCK_SAMPLES; sample++) {
    const askedMs = now();
    const startedMs = performance.now();
    const { timeMs } = await line.call({ kind: 'clock' });
    const uncertaintyMs = (performance.now() - startedMs) / 2;
    if (timeMs !== undefined && uncertaintyMs < best.uncertaintyMs)
      best = { offsetMs: timeMs - (askedMs + uncertaintyMs), uncertaintyMs };
  }
  if (best.uncertaintyMs === Infinity)
    throw new AppError('unavailable', 'PAIR_ANSWER_INVALID', 'It does not say what time it is.');
  return checkClock(best.offsetMs, best.uncertaintyMs);
}

async function lookAtAddresses(own: EstablishFacts, request: EstablishRequest): Promise<PairCheck> {
  const [shared, primary, backup] = await Promise.all(
    [own.sharedName.host, request.primary.host, request.backup.host].map(resolved),
  );
  return checkOwnAddress({ shared: shared ?? [], primary: primary ?? [], backup: backup ?? [] }, request);
}

/** The addresses that `host` leads to; none when it is not known, or not known in time. */
async function resolved(host: string): Promise<string[]> {
  const late = new Promise<[]>((resolve) => setTimeout(resolve, RESOLVE_LIMIT_MS, []).unref());
  const addresses = lookup(plainHost(host), { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
  return await Promise.race([addresses, late]);
}
