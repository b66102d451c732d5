import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { ntpQuestion, readNtpAnswer } from './network-ntp-packet.ts';

export const NTP_PORT = 123;
/** An answer that takes longer says little about the time (the offset is known to half the delay). */
export const NTP_ANSWER_WAIT_MS = 2_000;
/** A question or an answer may be lost on the way: it is asked that often. */
export const NTP_TRIES = 2;

/** What one server said, or why it said nothing useful. */
export type NtpOutcome =
  | {
      kind: 'time';
      server: string;
      /** True time minus system time. */
      offsetMs: number;
      delayMs: number;
      /** Half of the way there and back, and the server's own uncertainty: the true offset is within this of `offsetMs`. */
      distanceMs: number;
    }
  | { kind: 'kiss'; server: string; code: string }
  | { kind: 'silent'; server: string; reason: string };

export type NtpSample = Extract<NtpOutcome, { kind: 'time' }>;

const SERVER_PATTERN = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))(?::(\d{1,5}))?$/;

/** Splits `name`, `name:port`, `address` or `[IPv6]:port`; undefined when it is none of these. */
export function parseServer(server: string): { host: string; port: number } | undefined {
  const match = SERVER_PATTERN.exec(server);
  const port = match?.[3] === undefined ? NTP_PORT : Number(match[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** Asks one server over UDP, from a port of its own for each question. Never throws. */
export async function askServer(server: string, systemNow: () => number, waitMs = NTP_ANSWER_WAIT_MS): Promise<NtpOutcome> {
  let outcome: NtpOutcome = { kind: 'silent', server, reason: 'not a name or address' };
  for (let tries = 0; tries < NTP_TRIES && outcome.kind === 'silent'; tries++) outcome = await askOnce(server, systemNow, waitMs);
  return outcome;
}

function askOnce(server: string, systemNow: () => number, waitMs: number): Promise<NtpOutcome> {
  const address = parseServer(server);
  if (address === undefined) return Promise.resolve({ kind: 'silent', server, reason: 'not a name or address' });
  return new Promise((resolve) => {
    const cookie = randomBytes(8);
    const socket = dgram.createSocket({ type: address.host.includes(':') ? 'udp6' : 'udp4' });
    let reason = 'no answer';
    let sentAtMs = 0;
    let sentAtSteadyMs = 0;
    const finish = (outcome: NtpOutcome): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ kind: 'silent', server, reason }), waitMs);
    socket.once('error', (error) => finish({ kind: 'silent', server, reason: error.message }));
    socket.on('message', (packet) => {
      // The steady clock: somebody may set the other one meanwhile.
      const delayMs = performance.now() - sentAtSteadyMs;
      const reading = readNtpAnswer(packet, cookie);
      if (reading.kind === 'kiss') return finish({ kind: 'kiss', server, code: reading.code });
      // Whatever a stranger sends must not end the wait for the answer.
      if (reading.kind === 'refused') return void (reason = reading.reason);
      const wayMs = Math.max(0, delayMs - (reading.sentMs - reading.receivedMs));
      const offsetMs = (reading.receivedMs - sentAtMs + (reading.sentMs - (sentAtMs + delayMs))) / 2;
      finish({ kind: 'time', server, offsetMs, delayMs: wayMs, distanceMs: wayMs / 2 + reading.rootDistanceMs });
    });
    // Connected: the kernel takes answers of this very address and port alone.
    socket.connect(address.port, address.host, (error?: Error) => {
      // A name that is not found comes here, not to 'error'.
      if (error !== undefined) return finish({ kind: 'silent', server, reason: error.message });
      [sentAtMs, sentAtSteadyMs] = [systemNow(), performance.now()];
      socket.send(ntpQuestion(cookie));
    });
  });
}

/**
 * Of several servers' answers the one to go by: one with which most of the others agree (each within both uncertainties), and among those the surest. A
 * single server that is wrong or lies is outvoted by two that are right.
 */
export function chooseSample(samples: readonly NtpSample[]): NtpSample | undefined {
  const agreeing = (one: NtpSample): number =>
    samples.filter((other) => Math.abs(one.offsetMs - other.offsetMs) <= one.distanceMs + other.distanceMs).length;
  return samples.toSorted((a, b) => agreeing(b) - agreeing(a) || a.distanceMs - b.distanceMs)[0];
}
