import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LinkWheel, type WheelLink } from './link-wheel.ts';

class CountedLink implements WheelLink {
  heardTick = 0;
  slot = 0;
  readonly pings: number[] = [];
  readonly beats: number[] = [];
  readonly #tick: () => number;

  constructor(tick: () => number) {
    this.#tick = tick;
  }

  ping(): void {
    this.pings.push(this.#tick());
    this.heardTick = this.#tick();
  }

  beat(): void {
    this.beats.push(this.#tick());
  }

  drop(): void {
    assert.fail('it was heard');
  }
}

/** Two minutes of a link that came in the seventh second, and of one that came in the 28th. */
function twoMinutes(beats: () => boolean, silenceLimitS?: number): CountedLink[] {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const wheel: LinkWheel<CountedLink> = new LinkWheel(() => undefined, beats);
    if (silenceLimitS !== undefined) wheel.setSilenceLimit(silenceLimitS);
    const links = [7, 28].map((second) => {
      mock.timers.tick((second - wheel.tick) * 1000);
      const link = new CountedLink(() => wheel.tick);
      wheel.add(link);
      return link;
    });
    mock.timers.tick(120_000);
    wheel.close();
    return links;
  } finally {
    mock.timers.reset();
  }
}

const longestPause = (ticks: number[]) => Math.max(...ticks.slice(1).map((tick, index) => tick - ticks[index]!));

test('a link of a pair hears of its site every ten seconds, and is asked as rarely as any other (wire 3.15)', () => {
  for (const { pings, beats } of twoMinutes(() => true)) {
    assert.equal(longestPause(pings), 30);
    const heard = [...pings, ...beats].sort((one, other) => one - other);
    assert.equal(longestPause(heard), 10);
    assert.equal(new Set(heard).size, heard.length, 'never both');
  }
});

test('no pause is longer than that when the site pings more often, and no beat comes without need', () => {
  for (const [silenceLimitS, longest] of [
    [75, 10],
    [48, 10],
    [30, 10],
  ] as const)
    for (const { pings, beats } of twoMinutes(() => true, silenceLimitS)) {
      const heard = [...pings, ...beats].sort((one, other) => one - other);
      assert.ok(longestPause(heard) <= longest, `${silenceLimitS} s: ${heard.join()}`);
    }
  assert.ok(twoMinutes(() => true, 30).every(({ beats }) => beats.length === 0));
});

test('a single appliance pings as ever, and says nothing else', () => {
  for (const { pings, beats } of twoMinutes(() => false)) assert.deepEqual([longestPause(pings), beats.length], [30, 0]);
});
