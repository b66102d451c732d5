import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { changeMailSettings, mailState } from '@bascule/protocol/api/updates.ts';
import type { Mailer } from './mailer.ts';

/** Settings, state and the test button of `mailer`, below `prefix`. `actions`: what policy is asked for. */
export function mailRoutes(
  mailer: Mailer,
  prefix: 'support/email' | 'settings/email',
  actions: { read: string; change: string },
): AnyRoute[] {
  return [
    route({ method: 'GET', url: `/${prefix}`, action: actions.read, answer: mailState, handle: () => mailer.settings() }),
    route({
      method: 'PUT',
      url: `/${prefix}`,
      action: actions.change,
      body: changeMailSettings,
      answer: mailState,
      handle({ body, context }) {
        mailer.change(context, body);
        return mailer.settings();
      },
    }),
    route({
      method: 'POST',
      url: `/${prefix}/test`,
      action: actions.change,
      answer: ok,
      async handle({ context }) {
        await mailer.test(context);
        return { ok: true };
      },
    }),
  ];
}
