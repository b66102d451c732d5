import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ZodType } from 'zod';
import type { Context } from '@bascule/store/store.ts';
import type { Grant, LoginState, Principal } from './principal.ts';

/** The action of a route that needs no login. */
export const PUBLIC_ACTION = 'public';

/** The browser's login cookie in one request. */
export interface LoginCookie {
  readonly value: string | undefined;
  set(value: string): void;
  clear(): void;
}

/** By which name the browser reached us; checked against the configured hosts. */
export interface Site {
  /** `https://host:port` */
  origin: string;
  /** The host alone: the relying party of passkeys. */
  hostName: string;
}

export interface Call<B, Q, P, A extends string> {
  /** From policy; undefined on a public route. */
  grant: A extends typeof PUBLIC_ACTION ? undefined : Grant;
  /** Undefined on a public route. */
  principal: A extends typeof PUBLIC_ACTION ? undefined : Principal;
  body: B;
  query: Q;
  params: P;
  /** Who and from where, for `transact`. */
  context: Context;
  loginCookie: LoginCookie;
  site: Site;
  request: FastifyRequest;
  reply: FastifyReply;
}

/** How requests to a route are counted against their address. `login`: few, for whatever checks a secret. */
export type RateClass = 'ordinary' | 'login';

/** What the OpenAPI document says of a route beside its schemas. */
export interface PublicApi {
  summary: string;
  description?: string;
  /** `token`: API tokens may call it, if policy lets their scopes do its action; people, too. `login`: people only. */
  takes: 'token' | 'login';
  /** What answers with another status than 200 mean, when their body is that of a 200. */
  alsoAnswers?: Record<number, string>;
}

export interface Route<B, Q, P, A extends string = string> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the prefix: `/users/:id`. */
  url: string;
  /** `url` stands outside the prefix (installer files). */
  absolute?: boolean;
  /** What policy is asked for; `public` needs no login. */
  action: A;
  /** In which states of a login session the route works; only `ok` if absent. */
  states?: readonly LoginState[];
  rate?: RateClass;
  /** Objects are strict: an unknown field is refused. */
  body?: ZodType<B>;
  query?: ZodType<Q>;
  /** What does not fit is answered like what does not exist. */
  params?: ZodType<P>;
  /** What the answer is cut to; absent: the handler replies by itself (files, streams). */
  answer?: ZodType;
  bodyLimitBytes?: number;
  /** The body is bytes (`application/octet-stream`) that the handler reads from `request.raw`, and limits, by itself; `body` must be absent. */
  bodyStream?: boolean;
  /** What it changes is of this appliance alone, and nothing that another one of a pair has to have: its answer does not wait (`beforeReply`). */
  changesHereAlone?: boolean;
  /** Part of the public API: it is in the OpenAPI document. */
  publicApi?: PublicApi;
  /** Returns the answer; throws `AppError`. */
  handle(call: Call<B, Q, P, A>): unknown;
}

/** A route whose types no longer matter: the server has checked the input before it calls `handle`. */
export type AnyRoute = Omit<Route<unknown, unknown, unknown>, 'handle'> & {
  handle(call: Call<never, never, never, never>): unknown;
};

/** Declares a route; the handler's types follow from its schemas and its action. */
export function route<B = undefined, Q = undefined, P = undefined, const A extends string = string>(
  definition: Route<B, Q, P, A>,
): AnyRoute {
  return definition as unknown as AnyRoute;
}
