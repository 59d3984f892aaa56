/**
 * Silence: which sessions have been told nothing for how long, counted in positions.
 *
 * Invariant: a session is told where the log is at the latest MAX_SILENT_POSITIONS after it was told anything that stands
 * at a position. Nothing is looked through for that: whoever was told longest ago stands first.
 */
import type { Position } from '../../storage/index.ts';
import type { Follower } from './follower.ts';
import { MAX_SILENT_POSITIONS } from './limits.ts';

export class Silence<Session extends Pick<Follower, 'say'>> {
  readonly #told = new Map<Session, Position>();

  /** Something that stands at this position. */
  told(session: Session, position: Position): void {
    this.#told.delete(session);
    this.#told.set(session, position);
  }

  forget(session: Session): void {
    this.#told.delete(session);
  }

  /** All sessions have been told what concerns them up to `position`. */
  end(position: Position): void {
    for (const [session, told] of this.#told) {
      if (position - told < MAX_SILENT_POSITIONS) return;
      this.told(session, position);
      session.say({ kind: 'at', position });
    }
  }
}
