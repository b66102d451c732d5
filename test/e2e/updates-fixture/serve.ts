/** Shows the scripted pages to whoever works on them: `node test/e2e/updates-fixture/serve.ts PORT`, with the pages built. */
import { FixtureServer } from './fixture-server.ts';
import { stateWithOffers } from './states.ts';

const fixture = new FixtureServer();
fixture.updates = stateWithOffers();
process.stdout.write(`${await fixture.listen(Number(process.argv[2] ?? 0))}/appliance/updates\n`);
