/** One question and one answer of SNTP (RFC 4330, section 4; the format is that of RFC 5905, 7.3). */
export const NTP_PACKET_BYTES = 48;
/** Seconds from the epoch of NTP (1900) to that of Unix. */
const NTP_TO_UNIX_SECONDS = 2_208_988_800;
/** Seconds field of 2024-01-01. What reads as earlier belongs to the next era (from February 2036 on the field starts at 0 again). */
const ERA_PIVOT_SECONDS = 1_704_067_200 + NTP_TO_UNIX_SECONDS;
const ERA_SECONDS = 2 ** 32;
const MODE_CLIENT = 3;
const MODE_SERVER = 4;
const VERSION = 4;
const LEAP_UNSYNCHRONISED = 3;
const STRATUM_MAX = 15;
/** RFC 5905, 7.3 MAXDISP: farther from its source than that is not synchronised. */
const ROOT_DISTANCE_MAX_MS = 16_000;

/** A server's answer, times in milliseconds since the Unix epoch. */
export interface NtpAnswer {
  receivedMs: number;
  sentMs: number;
  stratum: number;
  /** How far the server itself may be from the true time: half its root delay and its root dispersion. */
  rootDistanceMs: number;
}

export type NtpReading =
  | ({ kind: 'time' } & NtpAnswer)
  /** Kiss-o'-death (RFC 4330, 8): asked to go away, or to ask less often. */
  | { kind: 'kiss'; code: string }
  /** Not the answer to this question, or from a server that does not know the time; `reason` is for the log. */
  | { kind: 'refused'; reason: string };

/** A question whose transmit timestamp is `cookie` (8 random bytes) instead of our time: the answer must carry it back, and nobody learns our clock. */
export function ntpQuestion(cookie: Uint8Array): Buffer {
  const packet = Buffer.alloc(NTP_PACKET_BYTES);
  packet[0] = (VERSION << 3) | MODE_CLIENT;
  packet.set(cookie, 40);
  return packet;
}

/** Reads the answer to the question with `cookie`; the checks are those of RFC 4330, section 5. */
export function readNtpAnswer(packet: Buffer, cookie: Uint8Array): NtpReading {
  if (packet.length < NTP_PACKET_BYTES) return { kind: 'refused', reason: 'too short' };
  const first = packet.readUInt8(0);
  if ((first & 7) !== MODE_SERVER) return { kind: 'refused', reason: 'not from a server' };
  const version = (first >> 3) & 7;
  if (version < 3 || version > VERSION) return { kind: 'refused', reason: 'of another version' };
  if (!packet.subarray(24, 32).equals(cookie)) return { kind: 'refused', reason: 'not the answer to this question' };
  const stratum = packet.readUInt8(1);
  // Stratum 0 is a kiss only with a code of letters; a server that has lost its sources also sends it.
  const code = packet.toString('latin1', 12, 16);
  if (stratum === 0 && /^[A-Z]{4}$/.test(code)) return { kind: 'kiss', code };
  if (first >> 6 === LEAP_UNSYNCHRONISED || stratum === 0 || stratum > STRATUM_MAX)
    return { kind: 'refused', reason: 'the server is not synchronised' };
  const rootDistanceMs = (packet.readUInt32BE(4) / 2 + packet.readUInt32BE(8)) * (1000 / 65_536);
  if (rootDistanceMs > ROOT_DISTANCE_MAX_MS) return { kind: 'refused', reason: 'the server is too far from its source' };
  if (packet.readBigUInt64BE(32) === 0n || packet.readBigUInt64BE(40) === 0n)
    return { kind: 'refused', reason: 'the server gave no time' };
  const [receivedMs, sentMs] = [timeAt(packet, 32), timeAt(packet, 40)];
  if (sentMs < receivedMs) return { kind: 'refused', reason: 'the server sent before it received' };
  return { kind: 'time', receivedMs, sentMs, stratum, rootDistanceMs };
}

function timeAt(packet: Buffer, offset: number): number {
  const seconds = packet.readUInt32BE(offset);
  const era = seconds < ERA_PIVOT_SECONDS ? ERA_SECONDS : 0;
  return (seconds + era - NTP_TO_UNIX_SECONDS) * 1000 + (packet.readUInt32BE(offset + 4) * 1000) / 2 ** 32;
}
