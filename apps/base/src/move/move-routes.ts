import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import {
  madeTransferCode,
  moveBeginBody,
  moveLook,
  moveLookBody,
  moveOverview,
  oldBoxAnswer,
  oldBoxQuestion,
  TRANSFER_HEADER,
} from '@bascule/protocol/api/move.ts';
import type { Move } from './move.ts';

const READ = 'box.move.read';
const MANAGE = 'box.move.manage';
const OK = { ok: true } as const;
const NOTHING = z.strictObject({});

/** Below /appliance/api/move: the transfer code of the old box, and the plan on the new one. */
export function moveRoutes(move: Move): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/move', action: READ, answer: moveOverview, handle: () => move.overview() }),
    route({
      method: 'POST',
      url: '/move/code',
      action: MANAGE,
      body: NOTHING,
      answer: madeTransferCode,
      handle: ({ context }) => move.oldBox.makeCode(context),
    }),
    route({
      method: 'DELETE',
      url: '/move/code',
      action: MANAGE,
      answer: ok,
      async handle({ context }) {
        await move.oldBox.revokeCode(context);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/move/look',
      action: MANAGE,
      body: moveLookBody,
      answer: moveLook,
      handle: ({ body }) => move.look(body),
    }),
    route({
      method: 'POST',
      url: '/move/begin',
      action: MANAGE,
      body: moveBeginBody,
      answer: moveOverview,
      async handle({ body, context }) {
        await move.begin(context, body);
        return await move.overview();
      },
    }),
    route({
      method: 'POST',
      url: '/move/switch',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      handle({ context }) {
        move.switchNow(context);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/move/finish',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      handle({ context }) {
        move.finishWithoutOld(context);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/move/cancel',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      async handle({ context }) {
        await move.cancel(context);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/move/old',
      action: 'public',
      rate: 'ordinary',
      body: oldBoxQuestion,
      answer: oldBoxAnswer,
      handle({ body, context, request }) {
        const secret = request.headers[TRANSFER_HEADER];
        return move.oldBox.answer(context, typeof secret === 'string' ? secret : undefined, body);
      },
    }),
  ];
}
