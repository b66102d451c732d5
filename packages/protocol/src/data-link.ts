/**
 * The JSON messages of a data link (agent ⇄ relay, ALPN `bascule-data/1`, path `/data`) and of a viewer link (browser ⇄ relay,
 * path `/stream`). They travel in binary frames of type HELLO, WELCOME, NOTICE and CLOSE; the bytes travel in the frames of
 * docs/spec/wire.md section 4, coded by packages/wire/src/frames.ts.
 */
import { z } from 'zod';
import { byteCount, id, terminalSize } from './text.ts';
import { endReasons } from './end-reason.ts';

/** 16 random bytes, in hex: who made an input stream (one viewer page between two reloads). */
export const originId = z.string().regex(/^[0-9a-f]{32}$/);

export const agentHello = z.object({
  v: z.literal(1),
  session: id('accessSession'),
  ticket: z.string().max(200),
  /** The output the agent still holds: [outStart, outEnd). */
  outStart: byteCount,
  outEnd: byteCount,
  /** Per origin: how many bytes of input the agent has received. What the agent says rules. */
  inputs: z.record(originId, byteCount),
  /** It knows OUTPUT_STORED: keeps what only one appliance of a pair has, within its buffer, without waiting for the other. */
  keeps: z.boolean().optional(),
});
export type AgentHello = z.infer<typeof agentHello>;

/** Relay → agent: send output from here (what is safe on disk). */
export const agentWelcome = z.object({
  v: z.literal(1),
  outFrom: byteCount,
  /** To an agent that `keeps`: what is before `outFrom` is on one appliance alone from here on, and to be kept. Absent: as `outFrom`. */
  keepFrom: byteCount.optional(),
});
export type AgentWelcome = z.infer<typeof agentWelcome>;

export const viewerHello = z.object({
  v: z.literal(1),
  ticket: z.string().max(200),
  origin: originId,
  /** Present on a reconnect of the same page: the output the page has already shown. Absent: send a fresh screen. */
  outFrom: byteCount.optional(),
  size: terminalSize.optional(),
  /** An origin of the same person before a page reload, to learn how much of its input arrived. */
  previousOrigin: originId.optional(),
  /** It knows `beat`, and gives up a link on which that stays away. */
  beats: z.boolean().optional(),
});
export type ViewerHello = z.infer<typeof viewerHello>;

/** Relay → viewer. Then either SCREEN, or OUTPUT from `outFrom`. */
export const viewerWelcome = z.object({
  v: z.literal(1),
  session: id('accessSession'),
  outFrom: byteCount,
  /** How much of `origin`'s input the agent has confirmed; the viewer sends again from here. Null: the agent is away, wait for INPUT_ACK. */
  inputFrom: byteCount.nullable(),
  previousInput: byteCount.nullable(),
  agentConnected: z.boolean(),
  /** To a viewer that `beats`, in a pair: at least a `beat` comes this often. When nothing came for VIEWER_SILENT_BEATS of them the appliance hangs, or is cut off: another may answer. */
  beatMs: z.number().int().min(100).max(60_000).optional(),
});
export type ViewerWelcome = z.infer<typeof viewerWelcome>;

/** Relay → viewer: what changed about the session. */
export const viewerNotice = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('agent'), connected: z.boolean() }),
  /** The recording cannot be written: output and input wait. */
  z.object({ kind: z.literal('paused'), paused: z.boolean() }),
  z.object({ kind: z.literal('ended'), reason: z.enum(endReasons), exitCode: z.number().int().nullable() }),
]);
export type ViewerNotice = z.infer<typeof viewerNotice>;

/** Relay → viewer, in a NOTICE: nothing else was to be said. */
export const viewerBeat = z.object({ kind: z.literal('beat') });
export const VIEWER_BEAT_MS = 1_000;
export const VIEWER_SILENT_BEATS = 2.5;

/** WebSocket close codes of ours (RFC 6455, section 7.4.2: 4000-4999 are private). */
export const CloseCode = {
  /** The ticket was unknown, used, too old, or another's: ask for a new one. */
  ticket: 4001,
  /** A frame broke the protocol; the text names the field. */
  protocol: 4002,
  /** The session is over. */
  ended: 4003,
  /** A newer link took this one's place. */
  replaced: 4004,
  /** A limit was reached (frame size, rate, too many links); the text names it. */
  limit: 4005,
  /** The server stops or restarts: come back. */
  restarting: 4006,
} as const;
