/**
 * Catch-up: what a session had when it began, and what it can be told on the strength of that.
 *
 * A session that resumes has what it asks for as it stood at its cursor; what changed since is read from the log once for
 * all that it asks for, and kept until the last of it has been said. Any session may have rows of unknown age, and be
 * compared by buckets.
 *
 * Invariants
 *   - what changed includes all up to the position at which a chunk is read: a row that no chunk has come to yet, and of
 *     which no step tells, comes with the chunk that comes to it, as it is then;
 *   - a row that is told to have left is one that the session has no more, be it unchanged (others pushed it out of a
 *     window): it counts as changed for everything else that is still to come. Where such a row is told while nothing is
 *     under way, nobody remembers it, and nothing that is asked for later is answered on what the session had.
 */
import { TendrilError } from '../../../errors.ts';
import type { Cursor, Descriptor, EntityId, Log, Position, StoredRow } from '../../../storage/index.ts';
import type { FollowedSelection } from '../followed/followed-selection.ts';
import { MAX_CATCH_UP_OPERATIONS, MAX_DEPARTURES } from '../limits.ts';
import { ChangedRows } from './changed-rows.ts';
import { OperationCount } from './operation-count.ts';
import type { SharedParts } from './shared-answers.ts';
import type { SharedPast } from './shared-past.ts';

export interface CatchUpParts {
  readonly log: Pick<Log, 'position' | 'floor' | 'covers' | 'countSince'>;
  readonly past: SharedPast;
}

/** Whether what came since the cursor can be told. */
export function canResume(
  { log }: Pick<CatchUpParts, 'log'>,
  cursor: Cursor | null,
  operations = new OperationCount(log),
): cursor is Cursor {
  if (cursor === null || !log.covers(cursor) || cursor.position < log.floor()) return false;
  const most = MAX_CATCH_UP_OPERATIONS;
  // Each position has at least one operation.
  if (log.position() - cursor.position > most) return false;
  return operations.isAtMost(most, cursor.position);
}

export class CatchUp {
  readonly #parts: CatchUpParts;
  /** Null for a session that does not resume. */
  readonly cursor: Position | null;
  readonly #changed = new Map<string, ChangedRows>();
  readonly #departed = new Map<string, Set<EntityId>>();
  #departures = 0;
  /** All up to it is among the changed. */
  #through: Position;
  #jobs = 0;
  #isOver = false;
  #isClosed = false;

  constructor(parts: CatchUpParts, cursor: Position | null) {
    this.#parts = parts;
    this.cursor = cursor;
    this.#through = cursor ?? (0 as Position);
  }

  /** What the session had when it began is not known to be there any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Rows as they stood at the cursor are still kept. While something is under way they are; between, nobody keeps them. */
  get hasPast(): boolean {
    return this.cursor !== null && this.cursor >= this.#parts.log.floor();
  }

  /** Something begins to be told on the strength of what the session had. */
  begin(): void {
    this.#jobs += 1;
    if (this.#jobs === 1) this.#parts.past.begin();
  }

  end(): void {
    this.#jobs -= 1;
    if (this.#jobs > 0) return;
    if (!this.#isClosed) this.#parts.past.end();
    if (this.#departures > 0) this.#isOver = true;
    this.#changed.clear();
    this.#departed.clear();
    this.#departures = 0;
    this.#through = this.cursor ?? (0 as Position);
  }

  /** The session has ended, be it in the middle of something. */
  close(): void {
    if (this.#jobs > 0 && !this.#isClosed) this.#parts.past.end();
    this.#isClosed = true;
  }

  /**
   * Reads on in the log, MAX_CATCH_UP_TURN operations at a time. False while there is more.
   *
   * @throws {TendrilError} `limit-exceeded` when it takes so long that the log runs away from it.
   */
  bring(): boolean {
    const { log, past } = this.#parts;
    if (this.#through >= log.position()) return true;
    for (const { position, collection, entity } of past.changedSince(this.#through)) {
      this.#through = position;
      this.of(collection).note(entity);
    }
    let size = 0;
    for (const changed of this.#changed.values()) size += changed.size;
    // It began with half of that.
    if (size > 2 * MAX_CATCH_UP_OPERATIONS) throw tooSlow(2 * MAX_CATCH_UP_OPERATIONS);
    return this.#through >= log.position();
  }

  /** What changed of a collection, as far as it has been brought. */
  of(collection: string): ChangedRows {
    const known = this.#changed.get(collection);
    if (known !== undefined) return known;
    const { past } = this.#parts;
    const changed = new ChangedRows({
      now: (id) => past.now(collection, id),
      before: (id) => past.before(this.cursor!, collection, id),
    });
    for (const id of this.departed(collection)) changed.note(id);
    this.#changed.set(collection, changed);
    return changed;
  }

  /** What others with the same cursor are told. - `edge`: of a window, the last row that the session had. */
  shared(followed: FollowedSelection, edge: EntityId | null): SharedParts {
    const { answers } = this.#parts.past;
    // What it was told to have left, it alone has not.
    const isLikeOthers = () => this.departed(followed.collection).size === 0;
    const had = (after: EntityId | null, most: number) => ({ cursor: this.cursor!, edge, after, most });
    return {
      known: (after, most) => (isLikeOthers() ? answers.known(followed, had(after, most)) : null),
      keep: (after, most, portion) => {
        if (isLikeOthers()) answers.keep(followed, had(after, most), portion);
      },
    };
  }

  encode(descriptor: Descriptor, row: StoredRow): Uint8Array | TendrilError {
    return this.#parts.past.encode(descriptor, row);
  }

  /** The session is told that it follows this row no more. @throws {TendrilError} `limit-exceeded` past MAX_DEPARTURES. */
  left(collection: string, id: EntityId): void {
    if (this.#jobs === 0) {
      this.#isOver = true;
      return;
    }
    const departed = this.#departed.get(collection) ?? new Set();
    this.#departed.set(collection, departed);
    if (departed.has(id)) return;
    this.#departures += 1;
    if (this.#departures > MAX_DEPARTURES) throw tooSlow(MAX_DEPARTURES);
    departed.add(id);
    this.#changed.get(collection)?.note(id);
  }

  /** The rows that it was told to have left while it was catching up. */
  departed(collection: string): ReadonlySet<EntityId> {
    return this.#departed.get(collection) ?? NONE;
  }
}

const NONE: ReadonlySet<EntityId> = new Set();

function tooSlow(limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${limit} rows changed while a session was told what it had missed.`,
    remedy: 'Connect again over a faster link; it is then compared with what is there.',
    facts: { limit },
  });
}
