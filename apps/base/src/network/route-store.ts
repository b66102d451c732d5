import { STATIC_ROUTES_MAX } from '@bascule/protocol/api/network.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { AuditEvent, Reader, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';

/** A static route, as it is to be. */
export const routeRow = z.object({
  id: z.string(),
  enabled: z.boolean(),
  destination: z.string(),
  gateway: z.string(),
  device: z.string().nullable(),
  metric: z.number(),
});
export type RouteRow = z.infer<typeof routeRow>;
/** As they are written down beside a change. */
export const routeRows = z.array(routeRow).max(STATIC_ROUTES_MAX);

const routeAdded = defineAuditEvent<{ route: string }>('STATIC_ROUTE_ADDED', 'Added the route {route}');
const routeChanged = defineAuditEvent<{ before: string; after: string }>(
  'STATIC_ROUTE_CHANGED',
  'Changed the route {before} to {after}',
);
const routeRemoved = defineAuditEvent<{ route: string }>('STATIC_ROUTE_REMOVED', 'Removed the route {route}');

export function allRoutes(reader: Reader): RouteRow[] {
  return reader
    .all<Record<string, unknown>>('SELECT id, enabled, destination, gateway, device, metric FROM static_routes ORDER BY id')
    .map((row) => routeRow.parse({ ...row, enabled: row['enabled'] === 1 }));
}

/** Instead of all there are. */
export function replaceRoutes(tx: Tx, rows: readonly RouteRow[]): void {
  tx.run('DELETE FROM static_routes');
  for (const row of rows) writeRoute(tx, undefined, row);
}

/** `before` (undefined: a new one) becomes `after` (undefined: none). */
export function writeRoute(tx: Tx, before: RouteRow | undefined, after: RouteRow | undefined): void {
  if (before !== undefined) tx.run('DELETE FROM static_routes WHERE id = ?', before.id);
  if (after === undefined) return;
  const { id, enabled, destination, gateway, device, metric } = after;
  tx.run(
    'INSERT INTO static_routes (id, enabled, destination, gateway, device, metric) VALUES (?, ?, ?, ?, ?, ?)',
    id,
    enabled ? 1 : 0,
    destination,
    gateway,
    device,
    metric,
  );
}

export function routeEvent(before: RouteRow | undefined, after: RouteRow | undefined): AuditEvent {
  if (before === undefined && after !== undefined) return routeAdded({ route: routeText(after) });
  if (before !== undefined && after === undefined) return routeRemoved({ route: routeText(before) });
  if (before === undefined || after === undefined) throw new Error('bug: a change of no route');
  return routeChanged({ before: routeText(before), after: routeText(after) });
}

/** As iproute2 says it. */
export function routeText({ destination, gateway, device, metric, enabled }: Omit<RouteRow, 'id'>): string {
  const port = device === null ? '' : ` dev ${device}`;
  return `${destination} via ${gateway}${port} metric ${metric}${enabled ? '' : ' (disabled)'}`;
}
