import type { SiteStatus } from './witness.ts';

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** What `status` prints of each site. */
export function statusLines(sites: readonly SiteStatus[]): string[] {
  if (sites.length === 0) return ['No appliance is enrolled yet.'];
  return sites.flatMap(({ record, leftMs, heard }) => {
    const { lease } = record;
    const nameOf = (key: string) => record.members.find((member) => member.key === key)?.name ?? key;
    const left = leftMs === null ? '' : `, for another ${seconds(leftMs)}`;
    const held =
      lease === null
        ? '  nobody has had the lease yet'
        : `  epoch ${lease.epoch} held by ${nameOf(lease.holder)}${left}; has everything: ${lease.inSync.map(nameOf).join(', ')}`;
    const members = record.members.map(({ key, name }) => {
      const agoMs = heard.find((one) => one.key === key)?.agoMs;
      return `  ${name}, key ${key}${agoMs === undefined ? '' : `, heard ${seconds(agoMs)} ago`}`;
    });
    return [`Site ${record.site}`, held, ...members];
  });
}
