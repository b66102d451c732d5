import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { createLog } from '@bascule/log/log.ts';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { createLinkServer } from './link-server.ts';
import { SiteIdentity } from './site-identity.ts';

test(
  'a stranger who finishes the handshake and then says nothing, or half a request, is dropped',
  { timeout: 10_000 },
  async () => {
    const keysDir = mkdtempSync(join(tmpdir(), 'bascule-link-'));
    const tls = await (await SiteIdentity.open({ keysDir })).issueLinkTls();
    const links = createLinkServer(tls, randomBytes(48), createLog('test', 'silent'), { requestLimitMs: 200 });
    const front = createServer({ pauseOnConnect: true }, (socket) => links.emit('connection', socket)).listen(0, '127.0.0.1');
    try {
      await once(front, 'listening');
      const dropped = ['', 'GET /link HTTP/1.1\r\nHost: x'].map(async (words) => {
        const { port } = front.address() as AddressInfo;
        const stranger = connect({ host: '127.0.0.1', port, ALPNProtocols: [LINK_ALPN], rejectUnauthorized: false });
        stranger.on('error', () => stranger.destroy());
        await once(stranger, 'secureConnect');
        stranger.write(words);
        stranger.resume();
        await once(stranger, 'close');
      });
      assert.equal((await Promise.all(dropped)).length, 2);
    } finally {
      front.close();
      links.close();
      rmSync(keysDir, { recursive: true });
    }
  },
);
