import type { ClientSettings } from '@bascule/protocol/client-program.ts';

export type SitePlace = NonNullable<ClientSettings['addresses']>[number];

/** Where the appliances of a site answer: at the site's own name first, then where the site has said. What is asked for is the same site everywhere, by name and certificate. */
export class SitePlaces {
  readonly #site: SitePlace;
  readonly #told: () => SitePlace[];
  #now: SitePlace;

  /** `told`: what the site last said. */
  constructor(site: URL, told: () => SitePlace[]) {
    this.#site = { host: site.hostname.replace(/^\[|\]$/g, ''), port: site.port === '' ? 443 : Number(site.port) };
    this.#told = told;
    this.#now = this.#site;
  }

  get now(): SitePlace {
    return this.#now;
  }

  /** The person named this one: its certificate is refused aloud, where another place is only passed over. */
  get isOwnName(): boolean {
    return textOf(this.#now) === textOf(this.#site);
  }

  get areSeveral(): boolean {
    return this.#all().length > 1;
  }

  /** For people: undefined at the site's own name. */
  get text(): string | undefined {
    return this.isOwnName ? undefined : textOf(this.#now);
  }

  /** The places that are tried for one request, the present one first. */
  round(): SitePlace[] {
    const all = this.#all();
    const at = Math.max(
      0,
      all.findIndex((place) => textOf(place) === textOf(this.#now)),
    );
    return [...all.slice(at), ...all.slice(0, at)];
  }

  /** Whether that is another than before. */
  goTo(place: SitePlace): boolean {
    const isOther = textOf(place) !== textOf(this.#now);
    this.#now = place;
    return isOther;
  }

  #all(): SitePlace[] {
    const all = [this.#site, ...this.#told()];
    return all.filter((place, index) => all.findIndex((other) => textOf(other) === textOf(place)) === index);
  }
}

function textOf({ host, port }: SitePlace): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
