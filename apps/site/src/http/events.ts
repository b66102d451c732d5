import type { FastifyReply } from 'fastify';
import { AppError } from '@bascule/errors/app-error.ts';
import { openEventStream, type EventStream } from '@bascule/http/event-stream.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { EVENT_TOPICS } from '@bascule/protocol/api/site.ts';

export type Topic = (typeof EVENT_TOPICS)[number];

/** A page is told of changes this often at most. */
export const EVENT_INTERVAL_MS = 1000;
/** Event streams that are open at one time: of the site, and of one login session (a stream is a tab). */
export const STREAMS_LIMIT = 2000;
export const STREAMS_PER_LOGIN_LIMIT = 20;

interface Subscriber {
  principal: Principal;
  stream: EventStream;
  pending: Set<Topic>;
}

/** Tells open pages which of their lists changed. Topics carry no content: the page asks again, and policy answers. */
export class Events {
  readonly #subscribers = new Set<Subscriber>();
  readonly #isAlive: (loginSession: string) => boolean;
  #timer: NodeJS.Timeout | undefined;
  #lastFlushMs = Number.NEGATIVE_INFINITY;

  /** `isAlive`: whether a login session still holds; a stream does not outlive it. */
  constructor(isAlive: (loginSession: string) => boolean) {
    this.#isAlive = isAlive;
  }

  get count(): number {
    return this.#subscribers.size;
  }

  /** Throws EVENT_STREAMS_LIMIT. */
  subscribe(principal: Principal, reply: FastifyReply): void {
    const ofLogin = [...this.#subscribers].filter((subscriber) => subscriber.principal.loginSession === principal.loginSession);
    if (this.#subscribers.size >= STREAMS_LIMIT || ofLogin.length >= STREAMS_PER_LOGIN_LIMIT)
      throw new AppError('limited', 'EVENT_STREAMS_LIMIT', 'Too many pages are open; close some.', { retryAfterSeconds: 30 });
    const stream = openEventStream(reply, {
      onHeartbeat: () => this.#isAlive(principal.loginSession),
      onClose: () => this.#subscribers.delete(subscriber),
    });
    const subscriber: Subscriber = { principal, stream, pending: new Set() };
    this.#subscribers.add(subscriber);
  }

  /** Something about `topic` changed: for everybody, or for the pages of one user. */
  publish(topic: Topic, userId?: string): void {
    for (const { pending, principal } of this.#subscribers)
      if (userId === undefined || principal.id === userId) pending.add(topic);
    if (this.#timer !== undefined || this.#subscribers.size === 0) return;
    const waitMs = Math.max(0, this.#lastFlushMs + EVENT_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => this.#flush(), waitMs).unref();
  }

  /** Closes the streams of login sessions that have ended. */
  endLoginSessions(loginSessions: readonly string[]): void {
    for (const { principal, stream } of this.#subscribers) if (loginSessions.includes(principal.loginSession)) stream.close();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { stream } of this.#subscribers) stream.close();
  }

  #flush(): void {
    this.#timer = undefined;
    this.#lastFlushMs = performance.now();
    for (const { pending, stream } of this.#subscribers) {
      if (pending.size === 0) continue;
      stream.send('changed', [...pending]);
      pending.clear();
    }
  }
}
