import { Readable } from 'node:stream';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/vault.ts';
import type { Vault } from './vault.ts';

const READ = 'vault.read';
const MANAGE = 'vault.manage';
/** A file in base64, with its password. */
const RESTORE_BODY_MAX_BYTES = 2 * api.VAULT_FILE_MAX_BYTES;

/** Routes below /api/vault-key (protocol/api/vault.ts): administrators' only. */
export function vaultRoutes(vault: Vault): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/vault-key', action: READ, answer: api.vaultKeyState, handle: () => vault.state() }),
    route({
      method: 'GET',
      url: '/vault-key/secrets',
      action: READ,
      query: api.vaultSecretsQuery,
      answer: api.vaultSecrets,
      handle: ({ query }) => vault.secrets(query.show, query.after),
    }),
    route({
      method: 'POST',
      url: '/vault-key/download',
      action: MANAGE,
      rate: 'login',
      body: api.downloadVaultKey,
      handle: async ({ context, body, reply }) => {
        const { name, bytes } = await vault.download(context, body.password);
        void reply
          .header('content-type', 'application/octet-stream')
          .header('content-disposition', `attachment; filename="${name.replace(/[^\w.-]/g, '_')}"`)
          .header('cache-control', 'no-store');
        return Readable.from([bytes]);
      },
    }),
    route({
      method: 'POST',
      url: '/vault-key/restore/look',
      action: MANAGE,
      rate: 'login',
      body: api.restoreVaultKey,
      bodyLimitBytes: RESTORE_BODY_MAX_BYTES,
      answer: api.vaultRestoreLook,
      handle: ({ body }) => vault.look(body),
    }),
    route({
      method: 'POST',
      url: '/vault-key/restore',
      action: MANAGE,
      rate: 'login',
      body: api.restoreVaultKey,
      bodyLimitBytes: RESTORE_BODY_MAX_BYTES,
      answer: api.vaultRestored,
      handle: async ({ context, body }) => {
        const becameReadable = await vault.restore(context, body);
        return { becameReadable, state: await vault.state() };
      },
    }),
    route({
      method: 'POST',
      url: '/vault-key/rotation',
      action: MANAGE,
      answer: api.vaultKeyState,
      handle: async ({ context }) => {
        await vault.rotate(context);
        return await vault.state();
      },
    }),
    route({
      method: 'DELETE',
      url: '/vault-key/rotation',
      action: MANAGE,
      answer: api.vaultKeyState,
      handle: ({ context }) => {
        vault.rotation.cancel(context);
        return vault.state();
      },
    }),
  ];
}
