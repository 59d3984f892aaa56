/**
 * Standing: how far in the authority's log what is held here has come.
 *
 * Invariants
 *   - `kept` is where the tables stand: it moves with them, in the same group, and only while the session is whole;
 *   - before it is whole only what is settled of this node's own reaches the tables, ahead of `kept`: the next session goes
 *     on from there only in the same epoch, because another log that has all up to `kept` need not have that;
 *   - behind a relay that does not reach its upstream the tables may be ahead likewise, of what others wrote, until it does;
 *   - the session stands where what it said latest does, a row that came whole included: another log that has all up to an
 *     earlier position need not have that row;
 *   - what is on a stage stands where the session does, unless something that it builds on is still being caught up: then
 *     the stage is of no use to another session.
 */
import type { Cursor, EpochId, KeptReplica, Position } from '../../../storage/index.ts';
import type { Journal } from '../../write/journal.ts';

const NONE: ReadonlySet<EpochId> = new Set();

export class Standing {
  readonly #journal: Journal;
  #kept: Cursor | null = null;
  #session: Cursor | null = null;
  #began: 'first' | 'resumed' | 'anew' | null = null;
  /** Where what is held, the stage included, stood when the last session ended. */
  #resume: Cursor | null = null;
  /** Something of an authority's was here when the process began. */
  #isHeld = false;
  #isFirst = true;
  /** Of sessions that were not whole, and settled what the tables have. */
  #ahead: ReadonlySet<EpochId> = NONE;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Of an earlier process. - `found`: something may be held, and stand nowhere. */
  restore(kept: Cursor | null, { selections, ids }: Pick<KeptReplica, 'selections' | 'ids'>): void {
    this.#kept = kept;
    this.#resume = kept;
    this.#isHeld = selections.length + ids.length > 0;
  }

  /** Where the tables stand; null if they hold nothing of an authority's. */
  get kept(): Cursor | null {
    return this.#kept;
  }

  /** What the next session is told. */
  get resume(): Cursor | null {
    return this.#resume;
  }

  /** Where the session stands. */
  get session(): Cursor | null {
    return this.#session;
  }

  /** How the last session began; null if there was none. */
  get began(): 'first' | 'resumed' | 'anew' | null {
    return this.#began;
  }

  /** Nothing of an authority's was here when the last session began that did not resume. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** Whether the tables have what was settled after `kept`. */
  get isAhead(): boolean {
    return this.#ahead.size > 0;
  }

  /** Returns whether the session goes on with what is held. - `resumes`: the authority could. */
  begin(epoch: EpochId, position: Position, resumes: boolean): boolean {
    // What is on the stage stands where the log is known to reach; the tables alone may be ahead.
    const isKnown = this.#resume !== this.#kept || [...this.#ahead].every((each) => each === epoch);
    const goesOn = resumes && isKnown;
    if (!goesOn) this.#isFirst = this.#resume === null && !this.#isHeld;
    this.#began = goesOn ? 'resumed' : this.#isFirst ? 'first' : 'anew';
    this.#session = { epoch, position };
    return goesOn;
  }

  /** Inside a group: while the session is not whole, it settled what the tables have from now on. */
  settledAhead(): void {
    const before = this.#ahead;
    if (this.#session === null || before.has(this.#session.epoch)) return;
    this.#journal.record(() => {
      this.#ahead = before;
    });
    this.#ahead = new Set([...before, this.#session.epoch]);
  }

  /**
   * Inside a group: the authority has said all up to `position`.
   *
   * - `position`: 0 where nothing was said of any. - `isWhole`: the tables have it, too.
   * - `isCut`: it was said by a relay that does not reach its upstream, and may hold what was settled later.
   */
  told(position: Position, isWhole: boolean, isCut: boolean): void {
    const before = { session: this.#session, kept: this.#kept, ahead: this.#ahead };
    const { session } = before;
    if (session === null) return;
    const moved = position > session.position ? { epoch: session.epoch, position } : session;
    const isKept = !isWhole || (before.kept?.epoch === moved.epoch && before.kept.position === moved.position);
    const told = isCut && position > 0 ? new Set([...before.ahead, session.epoch]) : before.ahead;
    const ahead = isWhole && !isCut ? NONE : told;
    if (moved === session && isKept && ahead.size === before.ahead.size) return;
    this.#journal.record(() => {
      this.#session = before.session;
      this.#kept = before.kept;
      this.#ahead = before.ahead;
    });
    this.#session = moved;
    this.#ahead = ahead;
    if (!isKept) this.#kept = moved;
  }

  /** The session has ended. - `isUsable`: what is on the stage can be built on. */
  lost(isUsable: boolean): void {
    if (this.#session !== null) this.#resume = isUsable ? this.#session : this.#kept;
    this.#session = null;
  }
}
