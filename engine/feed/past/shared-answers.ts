/**
 * Shared answers: what one session was told of a selection, part by part, for others that had the same of it. Of a thousand that
 * come back together many followed the same, and all that is to be told of it is then found, told and encoded once.
 *
 * Invariants
 *   - a part is told again only to a session that had the same and was told the same before, while no transaction has concerned
 *     the selection since the part was made: what happened elsewhere changes neither its rows nor where the next part goes on;
 *   - at most MAX_SHARED_ANSWER_BYTES are kept: past them all are forgotten, and made again where they are asked for again.
 */
import type { EntityId, Position } from '../../../storage/index.ts';
import type { SaidOf } from '../../stream.ts';
import type { FollowedSelection } from '../followed/followed-selection.ts';
import { MAX_SHARED_ANSWER_BYTES } from '../limits.ts';

/** Of one selection and what a session had of it. - `most`: the rows that one chunk may look at. */
export interface SharedParts {
  /** What comes after `after`; null where nobody was told, or it may not be so any more. */
  readonly known: (after: EntityId | null, most: number) => Portion | null;
  readonly keep: (after: EntityId | null, most: number, portion: Portion) => void;
}

/** What one chunk tells. */
export interface Portion {
  readonly rows: Uint8Array[];
  readonly left: EntityId[];
  through: EntityId | null;
  isLast: boolean;
  /** It says all that there is to say: no row of it could not be read. */
  isWhole: boolean;
  /** As it was said last: sessions that count alike are told the very same. */
  said: SaidOf<'chunk'> | null;
}

/** What a session had of a selection, and was told of it. */
export interface HadOfSelection {
  readonly cursor: Position;
  /** Of a window, the last row that it had. */
  readonly edge: EntityId | null;
  /** The last id that it was told of. */
  readonly after: EntityId | null;
  /** Rows that one part may look at. */
  readonly most: number;
}

/** Of one selection. */
interface Answers {
  readonly version: number;
  readonly portions: Map<string, Portion>;
}

/** What keeping a part, or an id in it, costs beside the bytes of its rows. */
const KEPT_BYTES = 64;

export class SharedAnswers {
  readonly #answers = new Map<FollowedSelection, Answers>();
  #bytes = 0;

  /** Bytes kept. */
  get size(): number {
    return this.#bytes;
  }

  known(followed: FollowedSelection, had: HadOfSelection): Portion | null {
    const answers = this.#answers.get(followed);
    if (answers === undefined || answers.version !== followed.version) return null;
    return answers.portions.get(keyOf(had)) ?? null;
  }

  keep(followed: FollowedSelection, had: HadOfSelection, portion: Portion): void {
    if (!portion.isWhole) return;
    const { version } = followed;
    let answers = this.#answers.get(followed);
    if (answers?.version !== version) {
      answers = { version, portions: new Map() };
      this.#answers.set(followed, answers);
    }
    answers.portions.set(keyOf(had), portion);
    this.#bytes += KEPT_BYTES * (1 + portion.rows.length + portion.left.length);
    // Once as rows, and once as it is sent.
    for (const { length } of portion.rows) this.#bytes += 2 * length;
    if (this.#bytes > MAX_SHARED_ANSWER_BYTES) this.forget();
  }

  forget(): void {
    this.#answers.clear();
    this.#bytes = 0;
  }
}

function keyOf({ cursor, edge, after, most }: HadOfSelection): string {
  return `${cursor} ${edge} ${after} ${most}`;
}
