import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { parseOptions } from './options.mjs';
import { checkout } from './checkout.mjs';

test('without options the appliance listens on loopback only, below ./var', () => {
  assert.deepEqual(parseOptions([], {}), {
    home: join(checkout, 'var'),
    homeGiven: false,
    port: 8443,
    listen: '127.0.0.1',
    name: 'localhost',
    appliance: undefined,
    localClient: true,
    restage: false,
  });
});

test('options win over variables, and both ways of giving a value work', () => {
  const options = parseOptions(['--port=9000', '--home', '/srv/b', '--no-local-client'], {
    BASCULE_PORT: '1',
    BASCULE_NAME: 'Box.Example',
  });
  assert.deepEqual([options.port, options.home, options.name, options.localClient], [9000, '/srv/b', 'box.example', false]);
});

const WRONG: [string[], RegExp][] = [
  [['--port', '0'], /--port 0: a port is a number from 1 to 65535/],
  [['--port', '70000'], /--port 70000/],
  [['--port', 'x'], /--port x/],
  [['--port'], /--port needs a value/],
  [['--home', '--port'], /--home needs a value/],
  [['--listen', 'example.org'], /--listen example.org: give a numeric address/],
  [['--name', 'a b'], /--name a b: a host name/],
  [['--no-local-client=1'], /takes no value/],
  [['--colour', 'red'], /'--colour' is not an option/],
  [['9000'], /'9000' is not an option/],
];
for (const [args, message] of WRONG) {
  test(`npm start -- ${args.join(' ')} is refused by a sentence that names the option`, () => {
    assert.throws(() => parseOptions(args, {}), { message, exitCode: 64 });
  });
}

test('an appliance has a name of its own, beside the one that people use', () => {
  assert.equal(parseOptions(['--appliance', 'North 1'], {}).appliance, 'North 1');
  assert.equal(parseOptions([], { BASCULE_APPLIANCE: 'south' }).appliance, 'south');
  assert.throws(() => parseOptions(['--appliance', 'a/b'], {}), /letters, digits/);
});

test('an option that npm swallowed is explained', () => {
  assert.throws(() => parseOptions(['9000'], { npm_config_port: 'true' }), {
    message: /npm took --port for itself.*npm start -- --port N/,
  });
  assert.throws(() => parseOptions([], { npm_config_local_client: '' }), { message: /npm start -- --no-local-client/ });
});
