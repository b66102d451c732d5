import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { FrontBench } from '../../test/front-bench.ts';
import { openWebCertificate } from '../certificates/certificates.ts';

test('whoever asks for the shared name gets its certificate, everybody else the own one of the box', async () => {
  await using bench = new FrontBench();
  await bench.open({ site: false });
  const shared = await openWebCertificate(join(bench.directory, 'other'), ['shared.example']);
  const own = await openWebCertificate(bench.paths.boxTls, ['localhost', '127.0.0.1']);
  const served = async (servername: string) => {
    const socket = connect({
      port: bench.port,
      host: '127.0.0.1',
      servername,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256.replaceAll(':', '').toLowerCase();
  };
  assert.equal(await served('shared.example'), own.sha256);
  bench.front.setNamedCertificate(['shared.example'], shared);
  assert.equal(await served('shared.example'), shared.sha256);
  assert.equal(await served('localhost'), own.sha256);
  assert.equal(await served(''), own.sha256);
});
