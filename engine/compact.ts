/**
 * Compaction of a durable node's log: what it no longer needs leaves it, in turns, while everything else goes on.
 *
 * Invariants
 *   - rows, and rows as they stood at the floor and later, are as before; identity, outcome by identity and chain stay;
 *   - the floor never passes what a follower needs that was seen within FOLLOWER_RETENTION_MS, be it one that went, or began
 *     to catch up, while the compaction was under way: each turn asks again in the moment in which it raises the floor. Who is
 *     connected and has not asked yet for what it had is not waited for: it is answered anew;
 *   - one turn takes at most MAX_COMPACTED_OPERATIONS operations, or one transaction, and is one member of a group: its
 *     floor and what it took away commit together, so that an interrupted compaction goes on where it ended.
 */
import type { EntityId, FollowerPlace, Position } from '../storage/index.ts';
import { type Claim, FIRST_PLACE, type Place, standing } from '../storage/index.ts';
import type { Core } from './core.ts';
import { invalidOption } from './open-store.ts';
import { type RowKey, rowKey } from './row-key.ts';
import type { CommitQueue, Outcome } from './write/commit-queue.ts';

/** What is younger keeps its history, unless `keepMs` says otherwise: 7 days. */
const DEFAULT_KEEP_MS = 7 * 24 * 60 * 60_000;
/** Operations that one turn looks at; a transaction is not divided. */
export const MAX_COMPACTED_OPERATIONS = 1_000;
/** A follower that was silent as long is not waited for: 30 days. */
export const FOLLOWER_RETENTION_MS = 30 * 24 * 60 * 60_000;
/** Outcomes of transactions that are older are forgotten: 90 days. */
export const OUTCOME_RETENTION_MS = 90 * 24 * 60 * 60_000;
/** Entities whose claims are remembered from turn to turn. */
const MAX_REMEMBERED_ENTITIES = 10_000;

export interface CompactOptions {
  /** Operations of transactions that are younger stay as they are: 7 days by default; 0: of none. */
  readonly keepMs?: number;
  /** At least the newest so many operations stay as they are; none by default. */
  readonly keepOperations?: number;
}

export interface Compacted {
  /** Operations of which only a skeleton is left now. */
  readonly dropped: number;
  /** The earliest position that can be asked for from now on. */
  readonly floor: number;
  /** The follower without which more would have been compacted; null if there is none. */
  readonly keptFor: string | null;
  /** Outcomes that were forgotten. */
  readonly outcomes: number;
}

export interface CompactParts {
  readonly core: Pick<Core, 'log' | 'compaction' | 'followers' | 'clock' | 'scheduler' | 'position'>;
  readonly queue: Pick<CommitQueue, 'add'>;
  /** Up to where those have been told, or must tell, that are connected now. */
  readonly places: () => readonly FollowerPlace[];
  /** Of one turn: MAX_COMPACTED_OPERATIONS. */
  readonly turnOperations?: number;
}

/** One after the other: each begins where the last one ended. @throws {TendrilError} `invalid-option`. */
export function createCompactor(parts: CompactParts): (options: CompactOptions) => Promise<Compacted> {
  let last: Promise<unknown> = Promise.resolve();
  return (options) => {
    const { keepMs = DEFAULT_KEEP_MS, keepOperations = 0, ...others } = options;
    for (const option of Object.keys(others)) throw invalidOption(option, 'Give `keepMs` or `keepOperations`.');
    if (!(typeof keepMs === 'number' && keepMs >= 0)) throw invalidOption('keepMs', 'Give a number, 0 or more.');
    if (!Number.isInteger(keepOperations) || keepOperations < 0) {
      throw invalidOption('keepOperations', 'Give a whole number, 0 or more.');
    }
    const run = last.then(() => new CompactRun(parts).run(keepMs, keepOperations));
    last = run.catch(() => undefined);
    return run;
  };
}

class CompactRun {
  readonly #parts: CompactParts;
  /** Of entities met so far: what of them is whole up to the floor. */
  readonly #claims = new Map<RowKey, readonly Claim[]>();
  readonly #turnOperations: number;
  #dropped = 0;
  /** Who was furthest back in the last turn. */
  #least: FollowerPlace | null = null;

  constructor(parts: CompactParts) {
    this.#parts = parts;
    this.#turnOperations = parts.turnOperations ?? MAX_COMPACTED_OPERATIONS;
  }

  async run(keepMs: number, keepOperations: number): Promise<Compacted> {
    const { log, compaction, clock, followers } = this.#parts.core;
    const wanted = await this.#wanted(keepMs, keepOperations);
    this.#least = this.#furthestBack();
    const target = () => Math.min(wanted, this.#least?.position ?? wanted) as Position;
    for (let done = compaction.done(); done < target(); ) done = await this.#advance(done, target());
    const keptFor = this.#least !== null && this.#least.position < wanted ? this.#least.node : null;
    await this.#commit(() => {
      followers.forget(clock.now() - FOLLOWER_RETENTION_MS);
      return 0;
    });
    const outcomes = await this.#forgetOutcomes(clock.now() - OUTCOME_RETENTION_MS);
    return { dropped: this.#dropped, floor: log.floor(), keptFor, outcomes };
  }

  /** The last position that age and number let go. */
  async #wanted(keepMs: number, keepOperations: number): Promise<Position> {
    const { log, compaction, clock } = this.#parts.core;
    const younger = clock.now() - keepMs + 1;
    const done = compaction.done();
    const last = log.position();
    // Also what a clock that was ahead has made.
    let old = keepMs === 0 ? last : done;
    for (let from = old; from < last; from = old) {
      old = Math.min(last, compaction.lastBefore(younger, from, this.#turnOperations)) as Position;
      if (old - from < this.#turnOperations) break;
      await this.#turn();
    }
    let spare = last;
    for (let left = keepOperations; left > 0 && spare > done; await this.#turn()) {
      for (const { position, count } of compaction.sizes(spare, this.#turnOperations)) {
        if (left <= 0) break;
        left -= count;
        spare = (position - 1) as Position;
      }
    }
    return Math.min(old, spare) as Position;
  }

  #furthestBack(): FollowerPlace | null {
    const { core, places } = this.#parts;
    const connected = places();
    const present = new Set(connected.map(({ node }) => node));
    const away = core.followers
      .since(core.clock.now() - FOLLOWER_RETENTION_MS)
      .filter(({ node }) => !present.has(node));
    let least: FollowerPlace | null = null;
    for (const place of [...connected, ...away]) if (least === null || place.position < least.position) least = place;
    return least;
  }

  /** One stretch; none if a follower needs it by now. Returns up to where it is done. */
  async #advance(done: Position, target: Position): Promise<Position> {
    const { log, compaction } = this.#parts.core;
    const stretch = compaction.stretch(done, target, this.#turnOperations)!;
    const met = new Map<RowKey, Claim[]>();
    for (const { collection, entity, claim, isFirst } of stretch.operations) {
      const key = rowKey(collection, entity);
      const claims = met.get(key) ?? (isFirst ? [] : [...(await this.#claimsOf(key, collection, entity, done))]);
      met.set(key, claims);
      if (claim !== null) claims.push(claim);
    }
    const gone: Place[] = [];
    for (const [key, claims] of met) {
      const stay = standing(claims);
      gone.push(...claims.filter((claim) => !stay.has(claim)));
      met.set(key, [...stay]);
    }
    let isNeeded = false;
    await this.#commit(() => {
      this.#least = this.#furthestBack();
      isNeeded = this.#least !== null && this.#least.position < stretch.through;
      if (isNeeded) return 0;
      for (const place of gone) compaction.drop(place);
      compaction.dropUndo(done, stretch.through);
      compaction.markDone(stretch.through);
      log.raiseFloor(stretch.through);
      return stretch.operations.length;
    });
    if (isNeeded) return done;
    this.#dropped += gone.length;
    if (this.#claims.size + met.size > MAX_REMEMBERED_ENTITIES) this.#claims.clear();
    for (const [key, claims] of met) this.#claims.set(key, claims);
    return stretch.through;
  }

  /** Nothing else changes what is compacted, so that it may be read over several turns. */
  async #claimsOf(key: RowKey, collection: string, entity: EntityId, done: Position): Promise<readonly Claim[]> {
    const known = this.#claims.get(key);
    if (known !== undefined || done === 0) return known ?? [];
    const { compaction } = this.#parts.core;
    const found: Claim[] = [];
    for (let after: Place | null = FIRST_PLACE; after !== null; ) {
      const { claims, last } = compaction.claims(collection, entity, after, done, this.#turnOperations);
      found.push(...claims);
      after = last;
      if (after !== null) await this.#turn();
    }
    return found;
  }

  async #forgetOutcomes(before: number): Promise<number> {
    const { outcomes } = this.#parts.core.log;
    let sum = 0;
    for (let pruned = -1; pruned !== 0; sum += pruned) {
      await this.#commit(() => {
        pruned = outcomes.prune(before, this.#turnOperations);
        return pruned;
      });
    }
    return sum;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#parts.core.scheduler.next(resolve));
  }

  /** - `work`: says how many operations it touched. */
  async #commit(work: () => number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const run = (): Outcome => ({ kind: 'done', commits: [], operations: work(), bytes: 0 });
      this.#parts.queue.add({ run, committed: resolve, failed: reject });
    });
    await this.#turn();
  }
}
