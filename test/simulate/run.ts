/**
 * Run: one simulation from one seed: a random program over a few nodes while things go wrong, then all is healed and must
 * come to rest, right everywhere, and stay so: no session is lost where nothing goes wrong, and none is left over.
 */
import { createHash } from 'node:crypto';
import { type DiskImage, mesh, Violation } from '../../bindings/testing/index.ts';
import { seeded } from '../../bindings/testing/seeded.ts';
import type { World } from '../../bindings/testing/world.ts';
import { Actor } from './actor.ts';
import { collectionsOf, FAULTS, type Fault, type FaultParts, strike } from './faults.ts';
import { Ledger } from './ledger.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Events of the safety phase. */
  readonly steps: number;
  /** Chosen by the seed where they are not given. */
  readonly faults?: readonly Fault[];
  /** Gets each line of the trace. */
  readonly onLine?: (line: string) => void;
}

export interface Simulated {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Events until the end, or until the first violation. */
  readonly steps: number;
  /** SHA-256 of the trace. */
  readonly hash: string;
  readonly violations: readonly string[];
  readonly writes: number;
  /** Of the authority's log. */
  readonly position: number;
}

/** What may wait for a follower where readers are slow: little, so that some are cut off. */
const SLOW_QUEUE_BYTES = 48 * 1_024;
/** No message of a simulation is larger. */
const MAX_MESSAGE_BYTES = 12 * 1_024;
/** Where nodes are busy: between two turns of one. */
const MAX_TURN_MS = 3;
/** The same where so much waits that sessions end and begin meanwhile. */
const MAX_BUSY_TURN_MS = 600;
/** Where snapshots come in pieces: rows of one, at most. */
const MAX_CHUNK_ROWS = 12;
const AUTHORITY = 'server';
const FOLLOWERS = ['ana', 'ben', 'cy'] as const;
/** Between two things that programs do: mostly as long as a frame takes. */
const GAPS_MS = [0.5, 2, 2, 8, 8, 8, 30, 30, 200] as const;
/** Every now and then nobody does anything for long. */
const MAX_PAUSE_MS = 100_000;
/** A node that ended in its own commit is down for so long at most. */
const MAX_DOWN_MS = 2_000;
/** After healing all must be at rest within it. */
const MAX_HEALING_MS = 10 * 60_000;
const MAX_HEALING_STEPS = 200_000;
/** Then nothing happens for so long: whoever hears nothing of the other side has given it up by then. */
const REST_MS = 70_000;
/** How likely it is, whenever a program does something, that a follower is closed where they are. */
const CLOSING_CHANCE = 0.03;
/** A node has closed within it. */
const MAX_CLOSING_MS = 10_000;

/** Each fault is possible in four runs of ten; in one of ten nothing goes wrong. */
export function faultsOf(seed: number): readonly Fault[] {
  const random = seeded(seed, 'faults');
  if (random.chance(0.1)) return [];
  return FAULTS.filter(() => random.chance(0.4));
}

export async function simulate(options: SimulationOptions): Promise<Simulated> {
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #faults: readonly Fault[];
  readonly #random: ReturnType<typeof seeded>;
  readonly #hash = createHash('sha256');
  readonly #ledger = new Ledger();
  readonly #violations: string[] = [];
  readonly #actors = new Map<string, Actor>();
  readonly #slowed = new Set<string>();
  readonly #upgraded = new Set<string>();
  /** Those whose disk outlives a crash. */
  readonly #persistent = new Set<string>([AUTHORITY]);
  #backup: DiskImage | null = null;
  #steps = 0;
  #isHealing = false;
  #isResting = false;
  /** Null where nobody closes nodes. */
  readonly #closing: ReturnType<typeof seeded> | null;
  /** Those that are being closed, each with what stands for this time. */
  readonly #closes = new Map<string, object>();
  #opening = 0;
  #pauseMs = 0;
  #world: World | null = null;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#faults = options.faults ?? faultsOf(options.seed);
    this.#random = seeded(options.seed, 'program');
    this.#closing = this.#faults.includes('close') ? seeded(options.seed, 'closing') : null;
  }

  async run(): Promise<Simulated> {
    await this.#open();
    const world = this.#world!;
    try {
      this.#actLater();
      while (this.#violations.length === 0 && this.#steps < this.#options.steps) if (!(await world.step())) break;
      if (this.#violations.length === 0) await this.#heal();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violations.push(...error.violations);
    } finally {
      world.close();
    }
    const log = await world.log();
    return {
      seed: this.#options.seed,
      faults: this.#faults,
      steps: this.#steps,
      hash: this.#hash.digest('hex'),
      violations: this.#violations,
      writes: [...this.#ledger.writes].length,
      position: log.position,
    };
  }

  async #open(): Promise<void> {
    const { seed } = this.#options;
    const followers = FOLLOWERS.slice(0, 2 + this.#random.integer(2));
    const limits = {
      ...(this.#faults.includes('slow') ? { queueBytes: SLOW_QUEUE_BYTES } : {}),
      ...(this.#random.chance(0.5) ? { chunkRows: 1 + this.#random.integer(MAX_CHUNK_ROWS) } : {}),
    };
    const follower = (name: string) => {
      const isPersistent = this.#random.chance(0.75);
      if (isPersistent) this.#persistent.add(name);
      const storage = isPersistent ? ('file' as const) : ('memory' as const);
      return { upstream: this.#upstreamOf(name), collections: collectionsOf(false, false), storage, ...limits };
    };
    const wide = this.#random.chance(0.3);
    const isBusy = this.#faults.includes('busy');
    const mostMs = isBusy ? MAX_BUSY_TURN_MS : MAX_TURN_MS;
    this.#world = await mesh<string>({
      seed,
      nodes: {
        [AUTHORITY]: { collections: collectionsOf(true, false), ...limits },
        ...Object.fromEntries(followers.map((name) => [name, follower(name)])),
      },
      ...(this.#random.chance(0.5) || isBusy ? { turns: { leastMs: 0, mostMs } } : {}),
      latency: wide ? { leastMs: 0.1, mostMs: 150 } : { leastMs: 1, mostMs: 15 },
      onError: (name, error) => this.#failed(name, error),
      onCrash: (name) => this.#crashed(name),
      onEvent: ({ dueMs, what }) => this.#happened(`${dueMs.toFixed(3)} ${what}`),
    });
    for (const name of [AUTHORITY, ...followers]) this.#addActor(name);
    if (this.#random.chance(0.15)) this.#actors.get(AUTHORITY)!.fill();
    for (const actor of this.#actors.values()) actor.begin();
  }

  #upstreamOf(follower: string): string {
    const [relay] = FOLLOWERS;
    return this.#faults.includes('relay') && follower !== relay ? relay : AUTHORITY;
  }

  #addActor(name: string): void {
    const isFollower = name !== AUTHORITY;
    const parts = {
      ...{ name, isFollower },
      world: this.#world!,
      ledger: this.#ledger,
      random: this.#random,
      isDooming: this.#faults.includes('doom'),
      wrong: (violation: string) => this.#violations.push(violation),
    };
    this.#actors.set(name, new Actor(parts, collectionsOf(!isFollower, false)));
  }

  #crashed(name: string): void {
    this.#actors.get(name)?.died(this.#persistent.has(name));
    this.#closes.delete(name);
    // Others are opened again by what made them crash.
    if (!this.#faults.includes('crash-commit') || this.#world === null || this.#isHealing) return;
    const world = this.#world;
    world.after(this.#random.between(0, MAX_DOWN_MS), `restart ${name}`, () => {
      if (!this.#isHealing && !world.isUp(name)) void this.#restart(name);
    });
  }

  /** After each event. */
  async #happened(line: string): Promise<void> {
    this.#steps += 1;
    this.#hash.update(line).update('\n');
    this.#options.onLine?.(line);
    const world = this.#world;
    // While it is being opened.
    if (world === null) return;
    this.#violations.push(...(await world.freshViolations((name) => this.#ledger.touchedBy(name))));
    this.#ledger.read(await world.log());
    this.#ledger.turn();
    this.#violations.push(...this.#ledger.takeViolations());
    if (
      this.#faults.includes('slow') &&
      world.isUp(AUTHORITY) &&
      world.waitingBytes(AUTHORITY) > SLOW_QUEUE_BYTES + MAX_MESSAGE_BYTES
    ) {
      this.#violations.push(`${world.waitingBytes(AUTHORITY)} bytes wait for one follower`);
    }
    for (const actor of this.#actors.values()) {
      actor.checkFolds();
      actor.checkReport();
    }
    if (this.#isResting) this.#checkSessions();
  }

  #actLater(): void {
    const random = this.#random;
    const gapMs = random.chance(0.002) ? random.between(0, MAX_PAUSE_MS) : random.pick(GAPS_MS) * random.next() * 2;
    const delayMs = gapMs + this.#pauseMs;
    this.#pauseMs = 0;
    this.#world!.after(delayMs, 'program', () => {
      if (this.#isHealing) return;
      this.#actLater();
      if (this.#closing?.chance(CLOSING_CHANCE) === true) this.#close(this.#closing);
      if (this.#faults.length > 0 && random.chance(0.08)) strike(this.#faultParts());
      else if (random.chance(0.08)) this.#reconnect();
      else random.pick([...this.#actors.values()]).act();
    });
  }

  #reconnect(): void {
    const name = this.#random.pick([...this.#actors.keys()].slice(1));
    const world = this.#world!;
    if (!world.isUp(name)) return;
    const { state } = world.nodes[name]!.report().upstream!;
    if (state === 'offline' || this.#random.chance(0.1)) world.nodes[name]!.reconnect().catch(() => undefined);
  }

  /** A follower, and opens it again, in the same process. */
  #close(random: ReturnType<typeof seeded>): void {
    const world = this.#world!;
    const name = random.pick([...this.#actors.keys()].slice(1));
    if (!world.isUp(name)) return;
    const close = {};
    const isClosing = () => this.#closes.get(name) === close;
    this.#closes.set(name, close);
    const downMs = random.between(0, MAX_DOWN_MS);
    world.stop(name).then(
      () => {
        if (!isClosing()) return;
        this.#closes.delete(name);
        this.#actors.get(name)!.died(this.#persistent.has(name));
        world.after(downMs, `reopen ${name}`, () => !this.#isHealing && !world.isUp(name) && void this.#restart(name));
      },
      (error) => this.#violations.push(`${name} could not be closed: ${String(error)}`),
    );
    world.after(MAX_CLOSING_MS, `closed ${name}`, () => {
      if (isClosing()) this.#violations.push(`${name} has not closed within ${MAX_CLOSING_MS} ms`);
    });
  }

  #faultParts(): FaultParts {
    const world = this.#world!;
    return {
      world,
      random: this.#random,
      authority: AUTHORITY,
      followers: [...this.#actors.keys()].slice(1),
      enabled: this.#faults,
      upstreamOf: (name) => this.#upstreamOf(name),
      isPersistent: (name) => this.#persistent.has(name),
      later: (ms, what, task) => world.after(ms, what, () => !this.#isHealing && task()),
      restart: (name) => void this.#restart(name),
      upgraded: (name) => this.#upgraded.add(name),
      restore: () => void this.#restore(),
      keepBackup: () => {
        this.#backup = world.backup(AUTHORITY);
      },
      slowed: this.#slowed,
      pause: (ms) => {
        this.#pauseMs = ms;
      },
    };
  }

  async #restart(name: string): Promise<void> {
    const actor = this.#actors.get(name)!;
    const collections = collectionsOf(name === AUTHORITY, this.#upgraded.has(name));
    actor.collections = collections;
    this.#opening += 1;
    try {
      await this.#world!.restart(name, collections);
      actor.begin();
    } catch (error) {
      this.#failed(name, error);
    } finally {
      this.#opening -= 1;
    }
  }

  async #restore(): Promise<void> {
    const image = this.#backup;
    if (image === null || this.#opening > 0) return;
    const world = this.#world!;
    this.#opening += 1;
    try {
      // Its schema may be another since: it is opened as it would be now.
      await world.restore(AUTHORITY, image);
      this.#ledger.restored(await world.log());
      this.#actors.get(AUTHORITY)!.begin();
    } catch (error) {
      this.#failed(AUTHORITY, error);
    } finally {
      this.#opening -= 1;
    }
  }

  #failed(name: string, error: unknown): void {
    // Failures that are simulated are told as such; an assertion that fails is one of ours.
    if (error instanceof Error && !('code' in error)) this.#violations.push(`${name}: ${error.stack ?? error.message}`);
  }

  /** Nothing goes wrong any more: all must come to rest, and be right. */
  async #heal(): Promise<void> {
    const world = this.#world!;
    this.#isHealing = true;
    world.heal();
    for (const name of this.#actors.keys()) {
      world.skew(name, 0);
      if (!world.isUp(name)) await this.#restart(name);
    }
    for (const actor of this.#actors.values()) actor.flush();
    await world.quiet(MAX_HEALING_MS);
    await world.check();
    this.#violations.push(...this.#ledger.end());
    this.#isResting = true;
    await world.run(REST_MS);
    this.#checkLeftOver();
    if (this.#steps > this.#options.steps + MAX_HEALING_STEPS) this.#violations.push('it took too many events to heal');
  }
  /** Nothing goes wrong: nobody loses anybody. */
  #checkSessions(): void {
    for (const [name, { isFollower }] of this.#actors) {
      if (!isFollower) continue;
      const { state, error } = this.#world!.nodes[name]!.report().upstream!;
      if (state === 'connected') continue;
      this.#violations.push(`${name} is ${state} where nothing goes wrong: ${String(error)}`);
    }
  }

  /** Each node is followed by those whose upstream it is, by each in one session. */
  #checkLeftOver(): void {
    const names = [...this.#actors.keys()];
    for (const name of names) {
      const followers = names.filter((each) => each !== AUTHORITY && this.#upstreamOf(each) === name);
      const sessions = this.#world!.nodes[name]!.report().followers?.sessions ?? 0;
      if (sessions === followers.length) continue;
      this.#violations.push(`${name} has ${sessions} sessions with its followers ${followers.join()}`);
    }
  }
}
