/** One schedule: a pair, a witness, some faults at random moments, then everything is healed and has to work again. */
import { Ledger, type Figures } from './ledger.ts';
import { SimulatedAppliance } from './simulated-appliance.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedWitness } from './simulated-witness.ts';
import { A, B, NODES, WITNESS, World } from './world.ts';

/** Rules taken out on purpose: the simulator has to find what comes of it. */
export interface Controls {
  /** A primary writes until it hears that it has lost. */
  noFence?: boolean;
  /** The lease is counted on the clock that people set. */
  usesWallClock?: boolean;
  /** Clocks that are further off than the margins allow. */
  wildClocks?: boolean;
  /** A primary in sync mode goes on alone before the witness has it on record. */
  goesOnUnrecorded?: boolean;
  /** The witness answers without writing down. */
  witnessForgets?: boolean;
}

export interface Outcome {
  seed: number;
  violations: string[];
  figures: Figures;
  events: number;
}

const FAULTS_MS = 18_000;
const HEALED_MS = 9_000;
const QUIET_START_MS = 1_500;
const FAULTS_MAX = 9;
/** Less than the margins of the terms allow. */
const DRIFT_MAX = 0.045;
const WILD_DRIFT = 0.25;

export function runSchedule(seed: number, controls: Controls = {}): Outcome {
  const world = new World(seed);
  const { random } = world;
  const isSync = random.next() < 0.6;
  const clocks = NODES.map(() => {
    const drift = controls.wildClocks ? WILD_DRIFT : random.pick([0, DRIFT_MAX, DRIFT_MAX]);
    return new SimulatedClock(world, { rate: 1 + world.between(-drift, drift), usesWallClock: controls.usesWallClock === true });
  });
  const witness = new SimulatedWitness(world, clocks[WITNESS]!, controls);
  witness.backByMs = FAULTS_MS;
  const ledger = new Ledger(world, isSync);
  const [one, other] = [A, B].map(
    (node) =>
      new SimulatedAppliance(node, node === A ? 'primary' : 'standby', {
        world,
        clock: clocks[node]!,
        witness,
        ledger,
        controls,
        isSync,
      }),
  ) as [SimulatedAppliance, SimulatedAppliance];
  one.meet(other);
  other.meet(one);
  const appliances = [one, other] as const;
  ledger.watch(appliances);
  const faults = 1 + random.below(FAULTS_MAX);
  for (let index = 0; index < faults; index += 1) {
    world.fate(world.between(QUIET_START_MS, FAULTS_MS), () => fault(world, { appliances, witness, clocks }));
  }
  world.run(FAULTS_MS);
  witness.dieAtKeepFor = 0;
  // Enough for a lease to end, to be asked for, and for handshakes.
  world.run(FAULTS_MS + HEALED_MS);
  ledger.ended();
  return { seed, violations: ledger.violations, figures: ledger.figures, events: world.events };
}

interface Scene {
  appliances: readonly [SimulatedAppliance, SimulatedAppliance];
  witness: SimulatedWitness;
  clocks: readonly SimulatedClock[];
}

function fault(world: World, { appliances, witness, clocks }: Scene): void {
  const { random } = world;
  const node = random.pick([A, B]);
  // Most faults are to meet the one that serves.
  const target = random.next() < 0.7 ? (appliances.find(({ role }) => role === 'primary')?.node ?? node) : node;
  // By the end of the faults everything is whole again.
  const ms = Math.min(random.pick([150, 700, 2_000, 3_500, 6_000]) * world.between(0.5, 1.5), FAULTS_MS - world.now);
  const choice = random.below(100);
  if (choice < 18)
    cut(
      world,
      random.pick([
        [A, B],
        [A, WITNESS],
        [B, WITNESS],
      ] as const),
      random.below(3),
      ms,
    );
  else if (choice < 32) isolate(world, target, random.below(3), ms);
  else if (choice < 46) world.pausedUntil[random.next() < 0.85 ? target : WITNESS] = world.now + ms;
  else if (choice < 54) {
    world.mainStuckSince[target] = world.now;
    world.mainStuckUntil[target] = world.now + ms;
  } else if (choice < 68) appliances[target === A ? 0 : 1].crash(ms);
  else if (choice < 74) world.slowUntil = world.now + ms;
  else if (choice < 80) witness.crash(random.pick([20, 500, ms]));
  else if (choice < 85) witness.dieAtKeepFor = random.pick([20, 300, ms]);
  else if (choice < 91) clocks[random.below(3)]!.setWallClock(random.pick([-3_600_000, -5_000, 5_000, 3_600_000]));
  else if (choice < 94) appliances[1 - target]!.force();
  else appliances[target]!.handOver();
}

/** `direction` 0: both ways; 1 and 2: one way. */
function cut(world: World, [from, to]: readonly [number, number], direction: number, ms: number): void {
  const until = world.now + ms;
  if (direction !== 2) world.cutUntil[from]![to] = Math.max(until, world.cutUntil[from]![to]!);
  if (direction !== 1) world.cutUntil[to]![from] = Math.max(until, world.cutUntil[to]![from]!);
}

function isolate(world: World, node: number, direction: number, ms: number): void {
  for (const other of NODES) if (other !== node) cut(world, [node, other], direction, ms);
}
