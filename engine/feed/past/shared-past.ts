/**
 * Shared past: what the sessions of one feed that catch up shortly after each other read of the log and of the rows, read once
 * for all of them. A thousand that come back together ask for much the same.
 *
 * Invariants
 *   - a row as it stood is true from the position of its last change before, up to its next one, or, where that is not
 *     known, the last position that it was asked for; a row as it is, until a commit changes it: `changed` is told of that
 *     before any session is;
 *   - of the log a stretch without a gap is kept, and told in whole transactions;
 *   - nothing is kept when nobody has caught up for SHARED_PAST_MS, and at most MAX_SHARED_IMAGES rows of MAX_SHARED_BYTES and
 *     MAX_SHARED_CHANGES operations: past either, all of that is forgotten, and read again where it is asked for again.
 */
import { TendrilError } from '../../../errors.ts';
import type { RawRow } from '../../../query/index.ts';
import {
  type ChangedEntity,
  type Descriptor,
  type EntityId,
  encodeOrDamage,
  type Log,
  living,
  type Position,
  type Snapshots,
  type StoredRow,
} from '../../../storage/index.ts';
import type { Scheduler } from '../../ports/scheduler.ts';
import type { FeedRows } from '../feed-rows.ts';
import {
  MAX_CATCH_UP_OPERATIONS,
  MAX_CATCH_UP_TURN,
  MAX_SHARED_BYTES,
  MAX_SHARED_CHANGES,
  MAX_SHARED_IMAGES,
  SHARED_PAST_MS,
} from '../limits.ts';
import { SharedAnswers } from './shared-answers.ts';

export interface PastParts {
  readonly log: Pick<Log, 'changedSince'>;
  readonly rowAt: Snapshots['rowAt'];
  readonly rows: Pick<FeedRows, 'read'>;
  readonly scheduler: Pick<Scheduler, 'after'>;
}

/** A row as a selection saw it: null where it did not exist, or was deleted. */
interface PastRow {
  readonly from: Position;
  through: Position;
  readonly row: RawRow | null;
}

interface Images {
  /** Undefined until it is read. */
  now: StoredRow | TendrilError | null | undefined;
  readonly past: PastRow[];
}

const START = 0 as Position;
/** What a cell takes that is no text and no blob. */
const CELL_BYTES = 8;

export class SharedPast {
  readonly answers = new SharedAnswers();
  readonly #parts: PastParts;
  readonly #images = new Map<string, Map<EntityId, Images>>();
  /** Of rows as they are, in the bytes in which they are told. */
  #encoded = new WeakMap<StoredRow, Uint8Array>();
  #count = 0;
  #bytes = 0;
  /** The operations after `from`, up to `through`. */
  #changes: ChangedEntity[] = [];
  /** The positions of them, by entity, ascending. */
  readonly #positions = new Map<EntityId, Position[]>();
  #from = START;
  #through = START;
  #users = 0;
  /** Set while what is kept waits for the next one who catches up, and for its end. */
  #cancelForgetting: (() => void) | null = null;

  constructor(parts: PastParts) {
    this.#parts = parts;
  }

  /** Rows kept, and operations. */
  get sizes(): { readonly images: number; readonly changes: number } {
    return { images: this.#count, changes: this.#changes.length };
  }

  /** Somebody begins to catch up. */
  begin(): void {
    this.#users += 1;
    this.#cancelForgetting?.();
    this.#cancelForgetting = null;
  }

  end(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#cancelForgetting = this.#parts.scheduler.after(SHARED_PAST_MS, () => this.close());
  }

  /** Forgets everything. */
  close(): void {
    this.#cancelForgetting?.();
    this.#cancelForgetting = null;
    this.#forgetImages();
    this.answers.forget();
    this.#beginStretch(START);
    this.#through = START;
  }

  /** A commit has changed this row. */
  changed(collection: string, id: EntityId): void {
    const images = this.#images.get(collection)?.get(id);
    if (images !== undefined) images.now = undefined;
  }

  /** As `Log.changedSince`, at most MAX_CATCH_UP_TURN operations. */
  changedSince(position: Position): readonly ChangedEntity[] {
    if (position > this.#through) return this.#read(position, this.#changes.length === 0);
    if (position < this.#from || position === this.#through) return this.#read(position, true);
    const first = firstAfter(this.#changes, position);
    return this.#changes.slice(first, endOfTurn(this.#changes, first));
  }

  /** @throws nothing: damage is what it gives. */
  now(collection: string, id: EntityId): StoredRow | TendrilError | null {
    const images = this.#imagesOf(collection, id);
    if (images.now !== undefined) return images.now;
    const now = this.#parts.rows.read(collection, id);
    // Of what cannot be read it is better to look again.
    if (now instanceof TendrilError) return now;
    images.now = now;
    this.#keep(now?.values ?? null);
    return now;
  }

  /** @throws {TendrilError} as `Snapshots.rowAt`. */
  before(position: Position, collection: string, id: EntityId): RawRow | null {
    const { past } = this.#imagesOf(collection, id);
    const known = past.find(({ from, through }) => from <= position && position <= through);
    if (known !== undefined) return known.row;
    const stored = this.#parts.rowAt(position, collection, id, 2 * MAX_CATCH_UP_OPERATIONS);
    const from = stored?.asOf ?? START;
    const through = this.#unchangedThrough(position, id);
    const same = past.find((one) => one.from === from);
    if (same !== undefined) {
      same.through = through;
      return same.row;
    }
    const row = living(stored);
    past.push({ from, through, row });
    this.#keep(row);
    return row;
  }

  /** `row`: as it is. */
  encode(descriptor: Descriptor, row: StoredRow): Uint8Array | TendrilError {
    const known = this.#encoded.get(row);
    if (known !== undefined) return known;
    const encoded = encodeOrDamage(descriptor, row);
    if (encoded instanceof TendrilError) return encoded;
    this.#encoded.set(row, encoded);
    this.#keepBytes(encoded.length);
    return encoded;
  }

  /** How long the row stays as it stood at `position`. */
  #unchangedThrough(position: Position, id: EntityId): Position {
    if (position < this.#from || position > this.#through) return position;
    const next = this.#positions.get(id)?.find((changedAt) => changedAt > position);
    return next === undefined ? this.#through : ((next - 1) as Position);
  }

  /** - `isKept`: what is read goes on where the stretch ends, or is a new one. */
  #read(position: Position, isKept: boolean): readonly ChangedEntity[] {
    const found = this.#parts.log.changedSince(position, MAX_CATCH_UP_TURN);
    const last = found.at(-1);
    if (!isKept || this.#users === 0 || last === undefined) return found;
    const isLonger = this.#changes.length + found.length > MAX_SHARED_CHANGES;
    if (position !== this.#through || isLonger || this.#changes.length === 0) this.#beginStretch(position);
    for (const change of found) {
      this.#changes.push(change);
      const positions = this.#positions.get(change.entity);
      if (positions === undefined) this.#positions.set(change.entity, [change.position]);
      else positions.push(change.position);
    }
    this.#through = last.position;
    return found;
  }

  #beginStretch(from: Position): void {
    this.#changes = [];
    this.#positions.clear();
    this.#from = from;
  }

  #imagesOf(collection: string, id: EntityId): Images {
    let rows = this.#images.get(collection);
    if (rows === undefined) {
      rows = new Map();
      this.#images.set(collection, rows);
    }
    let images = rows.get(id);
    if (images === undefined) {
      images = { now: undefined, past: [] };
      if (this.#users > 0) rows.set(id, images);
    }
    return images;
  }

  #keep(row: RawRow | null): void {
    this.#count += 1;
    let bytes = 0;
    for (const cell of row ?? []) {
      const isLong = typeof cell === 'string' || cell instanceof Uint8Array;
      bytes += isLong ? cell.length : CELL_BYTES;
    }
    this.#keepBytes(bytes);
  }

  #keepBytes(bytes: number): void {
    this.#bytes += bytes;
    if (this.#users === 0 || this.#count > MAX_SHARED_IMAGES || this.#bytes > MAX_SHARED_BYTES) this.#forgetImages();
  }

  #forgetImages(): void {
    this.#images.clear();
    this.#encoded = new WeakMap();
    this.#count = 0;
    this.#bytes = 0;
  }
}

/** The place of the first change after `position`. */
function firstAfter(changes: readonly ChangedEntity[], position: Position): number {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (changes[middle]!.position > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** At least one transaction; none is divided. */
function endOfTurn(changes: readonly ChangedEntity[], first: number): number {
  const most = first + MAX_CATCH_UP_TURN;
  if (most >= changes.length) return changes.length;
  const { position: cut } = changes[most]!;
  const end = firstAfter(changes, (cut - 1) as Position);
  return end > first ? end : firstAfter(changes, cut);
}
