import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fleetClient, fleetClientsQuery, fleetProof, fleetProofText } from '@bascule/protocol/api/fleet.ts';
import { z } from 'zod';
import { ADMINISTRATOR, fillJumpItems } from '../jump/testing.ts';
import { csvCell, csvLines, fleetPage, jsonPieces } from './fleet-list.ts';
import { proofPieces } from './fleet-proof.ts';
import { ALL_AT_ONCE, FleetBench, NEW, OLD, TestClient, until } from './testing.ts';

const VERIFY = join(import.meta.dirname, '..', '..', '..', '..', 'tools', 'verify', 'verify.mjs');

async function open(t: TestContext): Promise<FleetBench> {
  const bench = await FleetBench.open();
  t.after(() => bench.close());
  bench.fleet.changeSettings(ADMINISTRATOR, { ...ALL_AT_ONCE, upgrades: 'off' });
  return bench;
}

async function whole(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

async function proofOf(bench: FleetBench): Promise<string> {
  const { identity } = bench.site;
  return await whole(
    proofPieces(bench.fleet.view, { site: 'https://bascule.example', appliance: 'test', nowMs: Date.now() }, identity),
  );
}

function verify(bench: FleetBench, text: string, ...more: string[]): { code: number | null; said: string } {
  const file = join(bench.site.directory, 'proof.json');
  writeFileSync(file, text);
  const { status, stdout, stderr } = spawnSync(process.execPath, [VERIFY, 'fleet-proof', file, ...more], { encoding: 'utf8' });
  return { code: status, said: `${stdout}${stderr}` };
}

describe('the list of versions', () => {
  it('is searched by name and state, a page at a time', async (t) => {
    const bench = await open(t);
    const old = await TestClient.make(bench, { name: 'Beta' });
    await TestClient.make(bench, { name: 'alpha', version: NEW });
    const query = fleetClientsQuery.parse({ order: 'name' });
    const page = (more: object = {}) => fleetPage(bench.site.store, bench.fleet.view, { ...query, ...more });
    assert.deepEqual(
      page().clients.map(({ name, state, version }) => [name, state, version]),
      [
        ['alpha', 'current', NEW],
        ['Beta', 'pending', OLD],
      ],
    );
    assert.deepEqual(
      page({ state: 'pending' }).clients.map(({ id }) => id),
      [old.id],
    );
    assert.deepEqual(page({ text: 'ALP' }).total, 1);
    assert.deepEqual(page({ offset: 1, limit: 1 }), { total: 2, clients: [page().clients[1]!] });
    bench.site.jump.changeItem(ADMINISTRATOR, old.id, { name: '=cmd|x' });
    await until(() => page().clients[0]!.name === '=cmd|x', 'the new name');
  });

  it('has those under way first, then those that wait by their place, then the rest by name', async (t) => {
    const bench = await open(t);
    bench.fleet.changeSettings(ADMINISTRATOR, { ...ALL_AT_ONCE, maxConcurrent: 1 });
    await TestClient.make(bench, { name: 'alpha', version: NEW });
    const zeta = await TestClient.make(bench, { name: 'zeta' });
    const order = await zeta.order();
    for (const name of ['delta', 'gamma', 'beta']) await TestClient.make(bench, { name });
    const names = (offset = 0, limit = 100) =>
      fleetPage(bench.site.store, bench.fleet.view, fleetClientsQuery.parse({ offset, limit })).clients.map(({ name }) => name);
    assert.deepEqual(names(), ['zeta', 'delta', 'gamma', 'beta', 'alpha']);
    assert.deepEqual(names(1, 2), ['delta', 'gamma']);
    zeta.report(order, 'rolled-back', { failure: 'does-not-start' });
    await zeta.link.next('upgrade-noted');
    assert.deepEqual(names(), ['delta', 'zeta', 'gamma', 'beta', 'alpha'], 'under way and failed, by name');
  });

  it('is exported without formulas, and as JSON', async (t) => {
    const bench = await open(t);
    await TestClient.make(bench, { name: '=HYPERLINK("http://x","y")' });
    const csv = await whole(csvLines(bench.site.store, bench.fleet.view));
    const [head, line] = csv.split('\r\n');
    assert.match(head!, /^id,name,groupName,/);
    assert.ok(line?.includes(`,"'=HYPERLINK(""http://x"",""y"")",`), line ?? csv);
    const json = JSON.parse(await whole(jsonPieces(bench.site.store, bench.fleet.view, 1))) as { clients: unknown[] };
    assert.equal(z.array(fleetClient).parse(json.clients).length, 1);
  });

  it('guards every beginning that a spreadsheet takes for a formula', () => {
    for (const text of ['=1', '+1', '-1', '@x', '\t=1', ' =1', '\r=1', '\u0001=1'])
      assert.match(csvCell(text), /^"?'/, JSON.stringify(text));
    assert.equal(csvCell('a"b'), '"a""b"');
    assert.equal(csvCell('web-1'), 'web-1');
  });

  it('is quick with 20,000 clients, and the picture costs nothing', async (t) => {
    const bench = await open(t);
    fillJumpItems(bench.site.store, 20_000, [null]);
    const again = await FleetBench.open({ directory: bench.site.directory, programs: bench.programs });
    t.after(() => again.close({ keep: true }));
    await again.fleet.settled();
    assert.ok(again.fleet.picture().counts.total > 19_000);
    const query = (wanted: object) => fleetPage(again.site.store, again.fleet.view, fleetClientsQuery.parse(wanted));
    query({ limit: 1 });
    const beganMs = performance.now();
    assert.ok(query({ text: 'node-9' }).total > 1000);
    const searchedMs = performance.now() - beganMs;
    for (let round = 0; round < 100; round += 1) again.fleet.picture();
    const picturedMs = performance.now() - beganMs - searchedMs;
    // Ten times what they take on an idle machine: a scan for each picture would be far beyond it.
    assert.ok(searchedMs < 1000 && picturedMs < 500, `${searchedMs} ms, ${picturedMs} ms`);
  });
});

describe('the proof', () => {
  it('is signed, and complete when every client runs the version', async (t) => {
    const bench = await open(t);
    await TestClient.make(bench, { name: 'Zoë 😀', version: NEW });
    const text = await proofOf(bench);
    const proof = fleetProof.parse(JSON.parse(text));
    const content = fleetProofText.parse(JSON.parse(proof.text));
    assert.equal(content.isComplete, true);
    assert.equal(content.clients[0]!.name, 'Zoë 😀');
    assert.ok(content.clients[0]!.provedAtMs! > content.siteUpgradedAtMs);
    const checked = verify(bench, text);
    assert.equal(checked.code, 0, checked.said);
    assert.match(checked.said, /signed and complete/);
  });

  it('is incomplete with a client that is behind, and names it', async (t) => {
    const bench = await open(t);
    await TestClient.make(bench, { name: 'slow', version: OLD });
    const checked = verify(bench, await proofOf(bench));
    assert.equal(checked.code, 2, checked.said);
    assert.match(checked.said, /1 of 1 clients are not proved[^]*slow, 0\.1\.0, pending/);
  });

  it('does not pass when it was changed, or signed by somebody else', async (t) => {
    const bench = await open(t);
    await TestClient.make(bench, { version: OLD });
    const text = await proofOf(bench);
    assert.equal(verify(bench, text.replaceAll('pending', 'current')).code, 1);
    const other = await open(t);
    const certificate = join(other.site.directory, 'identity.pem');
    writeFileSync(certificate, other.site.identity.certificatePem);
    assert.equal(verify(bench, text, '--identity', certificate).code, 1);
    assert.equal(verify(bench, '{"format":"bascule-audit/2"}\n').code, 1);
    const proof = fleetProof.parse(JSON.parse(text));
    const signature = Buffer.from(bench.site.identity.sign(Buffer.from(proof.text))).toString('base64');
    assert.equal(verify(bench, JSON.stringify({ ...proof, signature })).code, 1, 'signed for another purpose');
  });
});
