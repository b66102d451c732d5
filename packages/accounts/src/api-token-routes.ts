import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { apiTokens, createdApiToken, newApiToken } from '@bascule/protocol/api/failover.ts';
import { id } from '@bascule/protocol/text.ts';
import type { ApiTokens } from './api-tokens.ts';

/** What the routes ask policy for: making a token is for those whose rights it could carry. */
export const OWN_API_TOKENS = 'api-tokens.own';

/** My Account > API tokens. A token cannot make, list or revoke tokens. */
export function apiTokenRoutes(tokens: ApiTokens): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/account/api-tokens',
      action: OWN_API_TOKENS,
      answer: apiTokens,
      publicApi: { summary: 'The API tokens of your account', takes: 'login' },
      handle: ({ principal }) => ({ tokens: tokens.own(principal) }),
    }),
    route({
      method: 'POST',
      url: '/account/api-tokens',
      action: OWN_API_TOKENS,
      rate: 'login',
      body: newApiToken,
      answer: createdApiToken,
      publicApi: {
        summary: 'Make an API token',
        description: 'The secret is given out this once; only a hash of it is stored.',
        takes: 'login',
      },
      handle: ({ principal, body, context }) => tokens.create(context, principal, body),
    }),
    route({
      method: 'DELETE',
      url: '/account/api-tokens/:id',
      action: OWN_API_TOKENS,
      params: z.object({ id: id('apiToken') }),
      answer: ok,
      publicApi: { summary: 'Revoke an API token; it is refused from the next request on', takes: 'login' },
      handle({ principal, params, context }) {
        tokens.revoke(context, principal, params.id);
        return { ok: true } as const;
      },
    }),
  ];
}
