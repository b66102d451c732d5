/** The appliances that may ask, and what they ask: signed with their keys, each question once. */
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { applianceIdOf, readPublicKey } from '@bascule/package-format/appliance-key.ts';
import { QUESTION_CLOCK_LEEWAY_MS, readQuestion } from '@bascule/package-format/appliance-question.ts';
import type { OfferRules } from './offers.ts';
import { installedState, offersFor } from './offers.ts';
import type { Repository } from './repository.ts';
import * as events from './server-events.ts';
import * as rows from './server-store.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { line } from '@bascule/protocol/text.ts';

/** With open registration anybody can add a row; this is where it ends. */
export const APPLIANCES_MAX = 10_000;

const questionBody = z.object({ kind: z.literal('offers'), applianceName: line(200), installed: installedState });

/** What an appliance is told (the appliance reads it with its own schema, apps/base/src/software/updates-question.ts). */
export interface OffersAnswer {
  serverMs: number;
  maintainedUntilMs: number | null;
  offers: { target: string; fromMs: number; downloadedAtMs: number | null }[];
}

export interface NewAppliance {
  name: string;
  publicKey: string;
  ring: string;
  holder: string;
  contact: string;
  language: rows.Appliance['language'];
  maintainedUntilMs: number | null;
}

export class Registry {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #registration: 'open' | 'closed';

  constructor(options: { store: Store; now: () => number; registration: 'open' | 'closed' }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#registration = options.registration;
  }

  /** Registers an appliance. Throws APPLIANCE_KEY_INVALID, APPLIANCE_EXISTS (its key or its name) or APPLIANCES_TOO_MANY. */
  add(context: Context, appliance: NewAppliance): rows.Appliance {
    const id = applianceIdOf(readPublicKey(appliance.publicKey));
    const sameKey = rows.applianceById(this.#store, id);
    if (sameKey !== undefined) throw exists(`This key is registered already, as ${sameKey.name}.`);
    if (rows.applianceByName(this.#store, appliance.name) !== undefined)
      throw exists(`There is an appliance named ${appliance.name} already; give this one another name.`);
    if (rows.countAppliances(this.#store) >= APPLIANCES_MAX)
      throw new AppError(
        'limited',
        'APPLIANCES_TOO_MANY',
        `This update server has ${APPLIANCES_MAX} appliances; it takes no more.`,
      );
    const added = { ...appliance, id, registeredAtMs: this.#now(), seenAtMs: null, seenAddress: '', installed: null };
    const by = context.actor.name;
    this.#store.transact(context, events.applianceRegistered({ appliance: id, name: added.name, by }), (tx) =>
      rows.writeAppliance(tx, added),
    );
    return added;
  }

  /** The registered appliance. Throws APPLIANCE_UNKNOWN: one sentence, and what to do. */
  known(id: string): rows.Appliance {
    const appliance = rows.applianceById(this.#store, id);
    if (appliance === undefined) throw unknown();
    return appliance;
  }

  /**
   * Answers one question of an appliance. Throws what `readQuestion` throws, APPLIANCE_UNKNOWN, QUESTION_REPEATED and QUESTION_MALFORMED. The signature
   * comes first: nobody learns about an appliance whose key they do not have.
   */
  answer(raw: string, address: string, repository: Repository, rules: Omit<OfferRules, 'schedule'>): OffersAnswer {
    const nowMs = this.#now();
    const question = readQuestion(raw, nowMs);
    const parsed = questionBody.safeParse(question.body);
    if (!parsed.success)
      throw new AppError(
        'invalid',
        'QUESTION_MALFORMED',
        'This update server does not understand the question; it may be older than the appliance.',
      );
    const { applianceName, installed } = parsed.data;
    const appliance = this.#knownOrNew(question.applianceId, question.publicKey, applianceName, address);
    const { id, name } = appliance;
    const context: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name }, address };
    const event = events.applianceAsked({
      appliance: id,
      name,
      base: installed.base,
      site: installed.site,
      nonce: question.nonce,
    });
    this.#store.transact(context, event, (tx) => {
      if (!rows.takeNonce(tx, question.nonce, question.atMs + QUESTION_CLOCK_LEEWAY_MS, nowMs)) throw repeated();
      rows.writeAppliance(tx, { ...appliance, seenAtMs: nowMs, seenAddress: address, installed: JSON.stringify(installed) });
    });
    const downloaded = rows.downloadedBy(this.#store, id);
    const offers = offersFor(
      repository.releases(),
      appliance,
      { ...rules, schedule: rows.listSchedule(this.#store) },
      downloaded,
    );
    return {
      serverMs: nowMs,
      maintainedUntilMs: appliance.maintainedUntilMs,
      offers: offers.map(({ release: { target }, fromMs }) => ({
        target,
        fromMs,
        downloadedAtMs: downloaded.get(target) ?? null,
      })),
    };
  }

  #knownOrNew(id: string, publicKey: string, name: string, address: string): rows.Appliance {
    const known = rows.applianceById(this.#store, id);
    if (known !== undefined) return known;
    if (this.#registration === 'closed') throw unknown();
    const context: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'the appliance itself' }, address };
    const free = rows.applianceByName(this.#store, name) === undefined ? name : `${name} (${id.slice(0, 8)})`;
    return this.add(context, {
      name: free,
      publicKey,
      ring: '',
      holder: '',
      contact: '',
      language: 'en',
      maintainedUntilMs: null,
    });
  }
}

function exists(message: string): AppError {
  return new AppError('conflict', 'APPLIANCE_EXISTS', message);
}

function unknown(): AppError {
  return new AppError(
    'unauthenticated',
    'APPLIANCE_UNKNOWN',
    'This update server does not know the appliance: give its public key (/appliance > Updates > Settings) to whoever runs the server, who registers it with: npm run update-server -- appliance add',
  );
}

function repeated(): AppError {
  return new AppError('conflict', 'QUESTION_REPEATED', 'This question was asked before; ask again with a new one.');
}
