/** Faults: what goes wrong in a simulation, each begun at random and ended by itself, or when all is healed. */
import type { seeded } from '../../bindings/testing/seeded.ts';
import type { World } from '../../bindings/testing/world.ts';
import { AUTHORITY_COLLECTIONS, COLLECTIONS, UPGRADED, UPGRADED_AUTHORITY } from './collections.ts';

type Random = ReturnType<typeof seeded>;

/**
 * In the order in which a shrinking run leaves them out. Four are no accidents: with `doom` programs write what the authority
 * refuses, with `relay` the first follower stands between the authority and the others, with `close` followers are closed
 * and opened again in the same process, with `busy` all nodes have so much to do that what they are told waits for long.
 */
export const FAULTS = [
  'pause',
  'compact',
  'slow',
  'upgrade',
  'skew',
  'storage',
  'follower-storage',
  'crash-commit',
  'crash-authority',
  'crash',
  'block',
  'cut',
  'reset',
  'doom',
  'backup',
  'relay',
  'close',
  'busy',
] as const;
export type Fault = (typeof FAULTS)[number];

/** More than are made between two looks at the log. */
const KEPT_OPERATIONS = 70;
const CODES = ['SQLITE_IOERR', 'SQLITE_FULL'] as const;
/** Faults that end the node's process leave it down for so long at most. */
const MAX_DOWN_MS = 3_000;
const MAX_SLOW_MS = 60_000;
const MAX_BLOCK_MS = 90_000;
/** What nobody uses is given up meanwhile. */
const MAX_PAUSE_MS = 8 * 60_000;
/** Ahead of the authority or behind it; past five minutes the authority sends such writes back. */
const MAX_SKEW_MS = 15 * 60_000;

export interface FaultParts {
  readonly world: World;
  readonly random: Random;
  readonly authority: string;
  readonly followers: readonly string[];
  readonly enabled: readonly Fault[];
  readonly upstreamOf: (follower: string) => string;
  readonly isPersistent: (name: string) => boolean;
  /** Does it in so much virtual time, unless all has been healed by then. */
  readonly later: (ms: number, what: string, task: () => void) => void;
  /** Opens a node that is down. */
  readonly restart: (name: string) => void;
  /** From now on it is opened with other collections. */
  readonly upgraded: (name: string) => void;
  /** Puts back what the authority held earlier. */
  readonly restore: () => void;
  readonly keepBackup: () => void;
  /** Followers that read slowly now. */
  readonly slowed: Set<string>;
  /** Nobody does anything for so long. */
  readonly pause: (ms: number) => void;
}

/** They do not strike. */
const OF_PROGRAMS: readonly Fault[] = ['doom', 'relay', 'close', 'busy'];

/** Begins one of those enabled. */
export function strike(parts: FaultParts): void {
  const { random, enabled } = parts;
  const fault = random.pick(enabled.filter((each) => !OF_PROGRAMS.includes(each)));
  if (fault !== undefined) STRIKES[fault](parts);
}

const STRIKES: Readonly<Record<Fault, (parts: FaultParts) => void>> = {
  pause: ({ random, pause }) => random.chance(0.2) && pause(random.between(0, MAX_PAUSE_MS)),
  reset: ({ world, random, upstreamOf, followers }) => {
    const follower = random.pick(followers);
    world.reset(follower, upstreamOf(follower));
  },
  cut: ({ world, random, upstreamOf, followers, later }) => {
    const follower = random.pick(followers);
    const upstream = upstreamOf(follower);
    world.cut(follower, upstream);
    later(random.between(10, MAX_DOWN_MS), 'heal', () => world.heal(follower, upstream));
  },
  block: ({ world, random, upstreamOf, followers, later }) => {
    const follower = random.pick(followers);
    const upstream = upstreamOf(follower);
    if (random.chance(0.7)) world.block(follower, upstream);
    if (random.chance(0.7)) world.block(upstream, follower);
    const ms = random.chance(0.3) ? random.between(0, MAX_BLOCK_MS) : random.between(0, MAX_DOWN_MS);
    later(ms, 'unblock', () => world.heal(follower, upstream));
  },
  compact: ({ world, random, authority }) => {
    if (!world.isUp(authority)) return;
    const options = { keepMs: random.pick([0, 1_000, 60_000]), keepOperations: KEPT_OPERATIONS };
    // A node that is gone, or whose disk fails, compacts another time.
    world.nodes[authority]!.compact(options).catch(() => undefined);
  },
  slow: ({ world, random, upstreamOf, followers, slowed, later }) => {
    const follower = random.pick(followers);
    const upstream = upstreamOf(follower);
    if (slowed.has(follower)) return;
    slowed.add(follower);
    world.slow(upstream, follower, random.between(20, 500));
    later(random.between(100, MAX_SLOW_MS), 'speed up', () => {
      slowed.delete(follower);
      world.heal(follower, upstream);
    });
  },
  crash: ({ world, random, followers, later, restart }) => {
    const name = random.pick(followers);
    if (!world.isUp(name)) return;
    world.crash(name, random.chance(0.3));
    later(random.between(0, MAX_DOWN_MS), `restart ${name}`, () => !world.isUp(name) && restart(name));
  },
  'crash-authority': ({ world, random, authority, later, restart }) => {
    if (!world.isUp(authority)) return;
    world.crash(authority, random.chance(0.3));
    later(random.between(0, MAX_DOWN_MS), `restart ${authority}`, () => !world.isUp(authority) && restart(authority));
  },
  'crash-commit': ({ world, random, authority, followers, isPersistent }) => {
    const name = random.pick([authority, ...followers.filter(isPersistent)]);
    if (world.isUp(name)) world.crashLater(name, random.pick(['before-commit', 'after-commit']), random.chance(0.3));
  },
  storage: ({ world, random, authority }) => {
    world.failStorage(authority, { call: 1 + random.integer(40), code: random.pick(CODES) });
  },
  'follower-storage': ({ world, random, followers }) => {
    world.failStorage(random.pick(followers), { call: 1 + random.integer(40), code: random.pick(CODES) });
  },
  skew: ({ world, random, authority, followers }) => {
    const ms = random.chance(0.3) ? 0 : random.between(-MAX_SKEW_MS, MAX_SKEW_MS);
    world.skew(random.pick([authority, ...followers, ...followers]), Math.floor(ms));
  },
  upgrade: ({ random, authority, followers, upgraded, restart, world }) => {
    const name = random.pick([authority, ...followers]);
    upgraded(name);
    if (world.isUp(name)) restart(name);
  },
  backup: ({ random, keepBackup, restore }) => (random.chance(0.5) ? keepBackup() : restore()),
  doom: () => {},
  relay: () => {},
  close: () => {},
  busy: () => {},
};

export function collectionsOf(isAuthority: boolean, isUpgraded: boolean) {
  if (isAuthority) return isUpgraded ? UPGRADED_AUTHORITY : AUTHORITY_COLLECTIONS;
  return isUpgraded ? UPGRADED : COLLECTIONS;
}
