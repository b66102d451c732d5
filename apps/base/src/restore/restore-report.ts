/** Afterwards: which clients are back, and what cannot be read. */
import type { RestoreReport } from '@bascule/protocol/api/restore.ts';
import type { RestoredFigures, RestoreHost } from './restore-host.ts';
import type { RestoreEntry } from './restore-journal.ts';

/** While the page is looked at, the site is asked no more often than this. */
const ASKED_INTERVAL_MS = 2_000;
/** Of a list that a page shows. */
const NAMES_MAX = 200;

export class LiveReport {
  readonly #host: Pick<RestoreHost, 'restoredFigures' | 'ready'>;
  #id = '';
  #figures: RestoredFigures | undefined;
  #askedAtMs = -Infinity;

  constructor(host: Pick<RestoreHost, 'restoredFigures' | 'ready'>) {
    this.#host = host;
  }

  /** What is known now; asks anew for the next time. */
  of(entry: RestoreEntry): RestoreReport | null {
    const { report, id } = entry.restoration;
    if (report === null) return null;
    if (performance.now() - this.#askedAtMs >= ASKED_INTERVAL_MS) void this.ask(id);
    return this.#figures !== undefined && this.#id === id ? { ...report, ...figuresIn(this.#figures) } : report;
  }

  /** Asks the site. What it does not answer is not known. */
  async ask(id: string): Promise<RestoredFigures | undefined> {
    this.#askedAtMs = performance.now();
    if (!this.#host.ready) return undefined;
    try {
      this.#figures = await this.#host.restoredFigures();
      this.#id = id;
      return this.#figures;
    } catch {
      return undefined;
    }
  }
}

/** The report as it stands when a restore ends. */
export function reportOf(
  { details }: RestoreEntry,
  figures: RestoredFigures | undefined,
  boxSettings: RestoreReport['boxSettings'],
): RestoreReport {
  const { lostClients, ended, unavailableMs, history, epoch } = details;
  return {
    clients: { total: 0, back: 0 },
    missingClients: { count: 0, names: [] },
    unreadableSecrets: null,
    lostClients: { count: lostClients.count, names: lostClients.names.slice(0, NAMES_MAX) },
    boxSettings,
    ended,
    unavailableMs,
    history,
    epoch,
    ...(figures !== undefined && figuresIn(figures)),
  };
}

function figuresIn({
  total,
  back,
  missing,
  unreadableSecrets,
}: RestoredFigures): Pick<RestoreReport, 'clients' | 'missingClients' | 'unreadableSecrets'> {
  return {
    clients: { total, back },
    missingClients: { count: total - back, names: missing.slice(0, NAMES_MAX) },
    unreadableSecrets: unreadableSecrets?.slice(0, NAMES_MAX) ?? null,
  };
}
