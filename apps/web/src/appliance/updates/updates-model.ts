import {
  INSTALLATION_STEPS,
  POINT_OF_NO_RETURN,
  type Installation,
  type InstallationStep,
  type Offer,
  type PathStep,
  type PreflightLine,
  type StepState,
  type UpdatesState,
} from '@bascule/protocol/api/updates.ts';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';

const POLL_BUSY_MS = 1_000;
/** Short enough that a second administrator sees an installation begin. */
const POLL_QUIET_MS = 3_000;

export type Tone = 'ok' | 'warn' | 'bad' | 'off';
export type HeadlineKind =
  | 'baseReplaced'
  | 'silent'
  | 'installing'
  | 'rolledBack'
  | 'noServer'
  | 'trustMissing'
  | 'checking'
  | 'checkFailed'
  | 'ready'
  | 'wentBack'
  | 'neverChecked'
  | 'upToDate';

/** What the page says first, and how it looks. What is going on outranks what went wrong, which outranks what could be done. */
export function headlineOf(state: UpdatesState, isSilent: boolean): { kind: HeadlineKind; tone: Tone; count: number } {
  const installable = state.offers.filter((offer) => offer.state === 'installable');
  const count = installable.filter((offer) => leftOf(state, offer) === undefined).length;
  const say = (kind: HeadlineKind, tone: Tone) => ({ kind, tone, count });
  if (isSilent) return isBaseBeingReplaced(state.running) ? say('baseReplaced', 'ok') : say('silent', 'warn');
  if (state.running !== null) return say('installing', 'ok');
  if (state.rolledBack !== null) return say('rolledBack', 'warn');
  if (installable.length > 0)
    return count === 0 || wentBackLast(state) !== undefined ? say('wentBack', 'off') : say('ready', 'ok');
  if (state.settings.serverUrl === '') return say('noServer', 'off');
  if (state.trust === null) return say('trustMissing', 'warn');
  if (state.isChecking) return say('checking', 'ok');
  if (state.lastCheck === null) return say('neverChecked', 'off');
  return state.lastCheck.error === null ? say('upToDate', 'ok') : say('checkFailed', 'warn');
}

type Change = Pick<Installation, 'operation' | 'fromVersion' | 'toVersion'>;
type Installed = UpdatesState['installed'][number];

/** Whether version `a` is newer than `b`, number by number. */
export function isNewer(a: string, b: string): boolean {
  return a.localeCompare(b, 'en', { numeric: true }) > 0;
}

/** Whether a `roll-back` goes to a newer version: the one before is the newer one once somebody went back. */
export function isForward({ operation, fromVersion, toVersion }: Change): boolean {
  return operation === 'roll-back' && fromVersion !== null && isNewer(toVersion, fromVersion);
}

/** Whether this is a way back by button that went well. */
export function hasGoneBack(installation: Change & Pick<Installation, 'outcome'>): boolean {
  return installation.operation === 'roll-back' && installation.outcome === 'installed' && !isForward(installation);
}

/** The last change of this appliance, when that was a way back by button. */
export function wentBackLast({ lastInstalled }: Pick<UpdatesState, 'lastInstalled'>): Installation | undefined {
  return lastInstalled !== null && hasGoneBack(lastInstalled) ? lastInstalled : undefined;
}

/** What is installed now instead of the version of `offer`, from which somebody went back. */
export function leftOf(
  { installed }: Pick<UpdatesState, 'installed'>,
  { manifest }: Pick<Offer, 'manifest'>,
): Installed | undefined {
  return installed.find(
    ({ kind, version, previousVersion }) =>
      kind === manifest.kind && previousVersion === manifest.version && isNewer(previousVersion, version),
  );
}

/** What the headline `wentBack` names. */
export function wentBackTo(state: UpdatesState): { kind: PackageKind; version: string } | undefined {
  const last = wentBackLast(state);
  if (last !== undefined) return { kind: last.kind, version: last.toVersion };
  return state.installed.find(({ version, previousVersion }) => previousVersion !== null && isNewer(previousVersion, version));
}

/** Whether the page holds back from urging `offer`: somebody went back from it, or went back with this kind just now. */
export function isHeldBack(state: UpdatesState, offer: Offer): boolean {
  return leftOf(state, offer) !== undefined || wentBackLast(state)?.kind === offer.manifest.kind;
}

/** Whether the appliance is silent because a base package is going in (or a base version back), which is expected. */
function isBaseBeingReplaced(running: Installation | null): boolean {
  return (
    running?.kind === 'base' &&
    (running.operation === 'install' || running.operation === 'roll-back') &&
    INSTALLATION_STEPS.indexOf(running.step) >= INSTALLATION_STEPS.indexOf(POINT_OF_NO_RETURN)
  );
}

export type Effect = 'nothingRestarts' | 'baseReplaced' | 'siteSwitched' | 'newInstallers' | 'clientsStay';

/** What an installation does to those who work, in the order in which it matters. */
export function effectsOf(manifest: Pick<PackageManifest, 'kind' | 'upgradesClients' | 'restartsBox'>): Effect[] {
  const effects: Effect[] = [];
  if (manifest.restartsBox) effects.push('baseReplaced');
  if (manifest.kind === 'site') effects.push('siteSwitched');
  if (effects.length === 0) effects.push('nothingRestarts');
  effects.push(manifest.upgradesClients ? 'newInstallers' : 'clientsStay');
  return effects;
}

/** What the list Available Updates shows: in the order of the upgrade path, what is not on it last. */
export function availableOffers({ offers, path }: Pick<UpdatesState, 'offers' | 'path'>): Offer[] {
  const place = (offer: Offer) => {
    const index = path.findIndex((step) => step.target === offer.target);
    return index === -1 ? path.length : index;
  };
  const shown = offers.filter((offer) => offer.state === 'installable' || offer.state === 'blocked');
  return shown.toSorted((a, b) => place(a) - place(b) || Number(a.state === 'blocked') - Number(b.state === 'blocked'));
}

/** What of a step of the path is still to be downloaded: what is here, or comes from no package, is not. */
export function missingBytes({ action, target, downloadBytes }: PathStep, offers: readonly Offer[]): number {
  if (action !== 'install') return 0;
  const here = offers.find((offer) => offer.target === target)?.downloadedBytes ?? 0;
  return Math.max(0, (downloadBytes ?? 0) - here);
}

/** Whether there is a root to be compared and confirmed: at the update server, or in a file that is here already. */
export function isTrustToConfirm({ trust, settings, uploads }: Pick<UpdatesState, 'trust' | 'settings' | 'uploads'>): boolean {
  return trust === null && (settings.serverUrl !== '' || uploads.some(isWhole));
}

/** Whether all of an upload is here; what is left is its verification. */
export function isWhole(upload: UpdatesState['uploads'][number]): boolean {
  return upload.receivedBytes === upload.totalBytes;
}

/** The path's first part, when it is 'back up, then install' (B58): the package to be installed then. */
export function backUpThenInstall(path: readonly PathStep[]): string | undefined {
  return path[0]?.action === 'back-up' && path[1]?.action === 'install' ? (path[1].target ?? undefined) : undefined;
}

/** The steps worth showing: those that this kind of package has. */
export function shownSteps(steps: readonly StepState[]): StepState[] {
  return steps.filter((step) => step.state !== 'skipped');
}

/** Before which of the shown steps the point of no return lies; undefined for what never passes it, and for what begins behind it (base going back). */
export function noReturnBefore(steps: readonly StepState[]): InstallationStep | undefined {
  const from = INSTALLATION_STEPS.indexOf(POINT_OF_NO_RETURN);
  const index = steps.findIndex((step) => INSTALLATION_STEPS.indexOf(step.step) >= from);
  return index > 0 ? steps[index]?.step : undefined;
}

/** Whether the installation may begin: nothing red, and every amber line ticked. */
export function mayBegin(lines: readonly PreflightLine[], ticked: ReadonlySet<string>): boolean {
  return lines.every((line) => line.outcome === 'green' || (line.outcome === 'amber' && ticked.has(line.code)));
}

const GROUP = /.{1,4}/g;

/** A fingerprint in groups of four, as two people read it to each other. */
export function grouped(hex: string): string {
  return (hex.match(GROUP) ?? []).join(' ');
}

/** `24:00`: minutes and seconds until an instant, never below zero. */
export function countdown(leftMs: number): string {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}

/** How far the clock is off, with its sign: `+12 ms`, `-3.4 s`. */
export function signedOffset(offsetMs: number, language: string): string {
  const sign = offsetMs < 0 ? '−' : '+';
  const size = Math.abs(offsetMs);
  if (size < 1000) return `${sign}${Math.round(size).toLocaleString(language)} ms`;
  return `${sign}${(size / 1000).toLocaleString(language, { maximumFractionDigits: 1 })} s`;
}

/** How long until the state is asked for again: soon while something goes on or the appliance is silent. */
export function pollIntervalMs(state: UpdatesState | undefined, isSilent: boolean): number {
  if (isSilent || state === undefined || state.running !== null || state.isChecking) return POLL_BUSY_MS;
  const isVerifying = state.lastInstalled?.verification.some((line) => line.state === 'running' || line.state === 'waiting');
  return isVerifying === true ? POLL_BUSY_MS : POLL_QUIET_MS;
}
