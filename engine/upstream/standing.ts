/**
 * Standing: how far in the authority's log what is held here has come.
 *
 * Invariants
 *   - `kept` is where the tables stand: it moves with them, in the same group, and only while the session is whole;
 *   - what is on a stage stands where the session does, unless something that it builds on is still being caught up: then
 *     the stage is of no use to another session.
 */
import type { Cursor, EpochId, Position } from '../../storage/index.ts';
import type { Journal } from '../write/journal.ts';

export class Standing {
  readonly #journal: Journal;
  #kept: Cursor | null = null;
  #session: Cursor | null = null;
  #began: 'first' | 'resumed' | 'anew' | null = null;
  /** Where what is held, the stage included, stood when the last session ended. */
  #resume: Cursor | null = null;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Of an earlier process. */
  restore(kept: Cursor | null): void {
    this.#kept = kept;
    this.#resume = kept;
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

  begin(epoch: EpochId, position: Position, resumes: boolean): void {
    this.#began = resumes ? 'resumed' : this.#resume === null ? 'first' : 'anew';
    this.#session = { epoch, position };
  }

  /** Inside a group: the authority has said all up to `position`. - `isWhole`: the tables have it, too. */
  told(position: Position, isWhole: boolean): void {
    const before = { session: this.#session, kept: this.#kept };
    const { session } = before;
    if (session === null) return;
    const moved = position > session.position ? { epoch: session.epoch, position } : session;
    const isKept = !isWhole || (before.kept?.epoch === moved.epoch && before.kept.position === moved.position);
    if (moved === session && isKept) return;
    this.#journal.record(() => {
      this.#session = before.session;
      this.#kept = before.kept;
    });
    this.#session = moved;
    if (!isKept) this.#kept = moved;
  }

  /** The session has ended. - `isUsable`: what is on the stage can be built on. */
  lost(isUsable: boolean): void {
    if (this.#session !== null) this.#resume = isUsable ? this.#session : this.#kept;
    this.#session = null;
  }
}
