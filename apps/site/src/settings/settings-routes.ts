import { route, type AnyRoute } from '@bascule/http/route.ts';
import { securitySettings } from '@bascule/protocol/api/site.ts';
import type { Settings } from './settings.ts';

export function settingsRoutes(settings: Settings): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/settings/security',
      action: 'settings.read',
      answer: securitySettings,
      handle: () => settings.current(),
    }),
    route({
      method: 'PUT',
      url: '/settings/security',
      action: 'settings.change',
      body: securitySettings,
      answer: securitySettings,
      handle: ({ body, context }) => settings.change(context, body),
    }),
  ];
}
