import { AppError } from '@bascule/errors/app-error.ts';
import type { ClockState } from '@bascule/protocol/api/updates.ts';

/** What went wrong in one sentence, and what to do next: shown, logged and mailed (B67, B68). */
export interface ExplainedFailure {
  code: string;
  message: string;
  advice: string;
}

/** From this difference on the clock is named as the likely cause. */
export const CLOCK_SUSPECT_MS = 60_000;

const BY_HAND = 'Or bring the packages by hand: Updates > Appliance Download Key, then Manual Installation.';
const REGISTER = "Give this appliance's public key (Updates > Settings) to whoever runs the update server.";
const UNREACHABLE_CODES: Record<string, string> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'the name service does not answer',
  ECONNREFUSED: 'it refuses the connection',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'the network is not reachable',
  ETIMEDOUT: 'it does not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer in time',
  UND_ERR_BODY_TIMEOUT: 'it stopped answering',
  UND_ERR_SOCKET: 'the connection was cut',
};
/** What the update server's own code says when nobody registered the appliance there. */
const UNKNOWN_APPLIANCE = 'APPLIANCE_UNKNOWN';
const UNAUTHENTICATED_STATUS = 401;
/** Failures of TLS, of the metadata and of the signed question that a wrong clock brings about. */
const TIME_CODE = /EXPIRED|NOT_YET_VALID|_TIME$/;
const CERTIFICATE_CODE = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Explains `error`, met while something was fetched from or asked of the update server at `serverUrl`. The clock's state is part of it
 * when it is wrong, or when it is the time that the failure is about (B78, B80).
 */
export function explainFailure(error: unknown, clock: ClockState, serverUrl: string): ExplainedFailure {
  const system = systemCode(error);
  const time = isWrong(clock) || isAboutTime(error, system) ? clockAdvice(clock) : undefined;
  const reason = system === undefined ? undefined : UNREACHABLE_CODES[system];
  if (reason !== undefined)
    return {
      code: 'UPDATE_SERVER_UNREACHABLE',
      message: `The update server ${serverUrl} cannot be reached: ${reason} (${system}).`,
      advice: advice('Check the address under Updates > Settings, the name servers and the firewall, then check again.', time),
    };
  if (system !== undefined && CERTIFICATE_CODE.test(system))
    return {
      code: 'UPDATE_SERVER_CERTIFICATE',
      message: `The certificate of the update server ${serverUrl} is not accepted (${system}).`,
      advice: advice(
        'Check that the address is right and that the certificate is for it and not expired, then check again.',
        time,
      ),
    };
  if (system === 'ENOSPC')
    return {
      code: 'UPDATES_DISK_FULL',
      message: 'The disk of the appliance is full.',
      advice: 'Free some space, then check again. Nothing was changed.',
    };
  if (error instanceof AppError && isUnknownAppliance(error))
    return { code: error.code, message: 'This update server does not know this appliance.', advice: sentences(time, REGISTER) };
  if (error instanceof AppError)
    return {
      code: error.code,
      message: error.message,
      advice: advice(error.kind === 'unavailable' ? 'Check again in a few minutes.' : 'Check again.', time),
    };
  return {
    code: 'UPDATES_FAILED',
    message: `Looking for updates failed: ${error instanceof Error ? error.message : String(error)}.`,
    advice: advice('The log says more. Check again.', time),
  };
}

function isWrong({ state }: ClockState): boolean {
  return state === 'behind' || state === 'off';
}

function isAboutTime(error: unknown, system: string | undefined): boolean {
  const codes = error instanceof AppError ? [system, error.code, error.params['serverCode']] : [system];
  return codes.some((code) => typeof code === 'string' && TIME_CODE.test(code));
}

function isUnknownAppliance({ code, params }: AppError): boolean {
  if (code !== 'UPDATE_SERVER_REFUSED') return false;
  const { serverCode, status } = params;
  return serverCode === undefined ? status === UNAUTHENTICATED_STATUS : serverCode === UNKNOWN_APPLIANCE;
}

/** `text` with a full stop, unless it ends a sentence already. */
export function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** What the clock has to do with it; undefined when it is known to be right. */
export function clockAdvice(clock: ClockState): string | undefined {
  if (clock.state === 'behind')
    return `The appliance's clock is ${inWords(clock.highestSeenMs - clock.systemMs)} behind the latest time that it has seen: check Networking > NTP. If it is the later time that was wrong: npm run appliance -- accept-time`;
  if (clock.state === 'off' && clock.offsetMs !== null && Math.abs(clock.offsetMs) >= CLOCK_SUSPECT_MS)
    // A positive offset is what must be added to the clock (RFC 5905, 8).
    return `The appliance's clock is ${inWords(Math.abs(clock.offsetMs))} ${clock.offsetMs > 0 ? 'behind' : 'ahead of'} ${clock.server ?? 'the time server'}: check Networking > NTP.`;
  if (clock.state === 'synchronised') return undefined;
  if (clock.state === 'off') return undefined;
  return `Nobody confirms the appliance's clock (${new Date(clock.systemMs).toISOString()}): if it is wrong, set it or check Networking > NTP.`;
}

/** `3 h`, `12 min`, `2 days`: the largest unit that fits. */
export function inWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1000)} s`;
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

function advice(next: string, time: string | undefined): string {
  return sentences(time, next, BY_HAND);
}

function sentences(...parts: (string | undefined)[]): string {
  return parts
    .filter((part) => part !== undefined)
    .map(asSentence)
    .join(' ');
}

/** The code of the operating system, of TLS or of the HTTP client, wherever in the chain of causes it is. */
function systemCode(error: unknown): string | undefined {
  let looked = error;
  for (let depth = 0; depth < 6 && looked instanceof Error; depth++) {
    const { code } = looked as { code?: unknown };
    if (typeof code === 'string' && !(looked instanceof AppError)) return code;
    if (looked instanceof DOMException && looked.name === 'TimeoutError') return 'ETIMEDOUT';
    looked = looked instanceof AggregateError && looked.cause === undefined ? looked.errors[0] : looked.cause;
  }
  return undefined;
}
