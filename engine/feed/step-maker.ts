/**
 * Step maker: what one committed transaction means to each session that follows something of it.
 *
 * Invariants
 *   - a row that enters what a session follows is sent whole, one that stays as items if the transaction has operations of
 *     it, one that leaves as a leave; of a row that a session does not follow it is told nothing, but that one has left which
 *     it may have from before, while it is told what became of that (`Subscription.mayHave`);
 *   - parts, and their bytes, are made once for a transaction; sessions to which it means the same get the same step.
 */
import { assert, TendrilError } from '../../errors.ts';
import type { RawRow } from '../../query/index.ts';
import {
  type EntityId,
  encodeItems,
  encodeRow,
  living,
  type OperationId,
  type StoredRow,
} from '../../storage/index.ts';
import type { Bound, Commit, Touched } from '../change.ts';
import type { Place } from '../live/place.ts';
import { rowKey } from '../row-key.ts';
import type { Edge, Part, Step } from '../stream.ts';
import type { FeedWork } from './feed-work.ts';
import type { FollowedCollection } from './followed/followed-collection.ts';
import type { FollowedSelection } from './followed/followed-selection.ts';
import type { Follower } from './follower.ts';

/** The session that uploaded the transaction. */
export interface Uploader {
  readonly follower: Follower;
  readonly operations: ReadonlySet<OperationId>;
  /** From now on the session holds it. */
  readonly hold: (collection: string, id: EntityId) => void;
}

export interface StepParts {
  readonly collections: ReadonlyMap<string, FollowedCollection>;
  readonly work: FeedWork;
  readonly readRow: (collection: string, id: EntityId) => StoredRow | TendrilError | null;
}

/** Told to whom. Nothing is said where it is not listed. */
export type Told = ReadonlyMap<Follower, Step>;

const WAS = 1;
const IS = 2;
/** The same of what the session may have only on the stage of a selection that is still being hydrated. */
const WAS_STAGED = 4;
const IS_STAGED = 8;

interface Numbered<What> {
  readonly number: number;
  readonly what: What;
}

type PartKind = Part['kind'] | 'added';

/** One row that was touched, or that entered or left a window. */
interface RowNews {
  readonly collection: FollowedCollection;
  readonly id: EntityId;
  readonly touched: Touched | null;
  readonly followed: Map<Follower, number>;
  /** The windows that it entered or left. */
  readonly movedIn: Set<FollowedSelection>;
  readonly parts: Map<PartKind, Numbered<Part>>;
}

interface Draft {
  readonly parts: Numbered<Part>[];
  readonly edges: Numbered<Edge>[];
}

/** - `place`: the transaction among those of its group, which are all in the tables. */
export function makeSteps(parts: StepParts, place: Place, uploader: Uploader | null): Told {
  return new StepMaker(parts, place, uploader).make();
}

class StepMaker {
  readonly #parts: StepParts;
  readonly #place: Place;
  readonly #commit: Commit;
  readonly #uploader: Uploader | null;
  /** Keys of the rows of which a reader sees a difference. */
  readonly #visible: ReadonlySet<string>;
  readonly #rows = new Map<string, RowNews>();
  readonly #windows = new Map<FollowedSelection, RowNews[]>();
  readonly #drafts = new Map<Follower, Draft>();
  readonly #steps = new Map<string, Step>();
  /** Made when it is asked. */
  #later: ReadonlyMap<string, StoredRow> | null = null;
  #numbers = 0;

  constructor(parts: StepParts, place: Place, uploader: Uploader | null) {
    this.#parts = parts;
    this.#place = place;
    this.#commit = place.commits[place.at]!;
    this.#uploader = uploader;
    this.#visible = new Set(this.#commit.changes.map(({ collection, id }) => rowKey(collection, id)));
  }

  make(): Told {
    for (const touched of this.#commit.touched) this.#meet(touched);
    for (const bound of this.#commit.bounds ?? []) this.#meetBound(bound);
    for (const [followed, met] of this.#windows) this.#maintain(followed, met);
    for (const news of this.#rows.values()) if (news.touched === null) this.#meetUntouched(news);
    for (const news of this.#rows.values()) this.#tell(news);
    if (this.#uploader !== null) this.#draftOf(this.#uploader.follower);
    const told = new Map<Follower, Step>();
    for (const [follower, draft] of this.#drafts) told.set(follower, this.#stepOf(follower, draft));
    return told;
  }

  #meet(touched: Touched): void {
    const collection = this.#parts.collections.get(touched.collection)!;
    const isUploaded = this.#isUploaded(touched);
    if (!collection.isFollowed && !isUploaded) return;
    const { id } = touched;
    const before = living(touched.before);
    const isVisible = this.#visible.has(rowKey(collection.name, id));
    const after = isVisible ? living(touched.after) : before;
    const news = this.#newsOf(collection, id, touched);
    for (const followed of collection.concerned(before, after)) {
      const { window } = followed;
      followed.version += 1;
      try {
        if (window === null) noteMatch(news, followed, before, after);
        else {
          if (isVisible ? window.meet(before, after) : window.follows(id)) this.#metBy(followed).push(news);
          if (before !== null && !window.follows(id)) notePushedOut(news, followed, touched.before!);
        }
      } catch (error) {
        followed.fail(error);
      }
    }
    for (const follower of collection.holders(id)) note(news, follower, WAS | IS);
    if (!isUploaded) return;
    note(news, this.#uploader!.follower, IS);
    this.#uploader!.hold(collection.name, id);
  }

  /** At a relay rows move in and out with a transaction that it has not touched. */
  #isUploaded({ operations }: Touched): boolean {
    const own = this.#uploader?.operations;
    return own !== undefined && operations.some(({ id }) => own.has(id));
  }

  /** Of a relay: what bounds a window here, its upstream says. */
  #meetBound({ collection, key }: Bound): void {
    const followed = this.#parts.collections.get(collection)?.find(key);
    if (followed === undefined || followed.window === null) return;
    followed.version += 1;
    this.#metBy(followed);
  }

  #maintain(followed: FollowedSelection, met: readonly RowNews[]): void {
    const window = followed.window!;
    const stayed = met.filter(({ id }) => window.follows(id));
    try {
      const { entered, left, hasNewEdge } = window.maintain(this.#place);
      const collection = this.#parts.collections.get(followed.collection)!;
      for (const id of entered) noteMove(this.#newsOf(collection, id, null), followed, IS);
      for (const id of left) noteMove(this.#newsOf(collection, id, null), followed, WAS);
      for (const news of stayed) if (window.follows(news.id)) noteAll(news, followed, WAS | IS);
      if (hasNewEdge) this.#tellEdge(followed, window.edge);
    } catch (error) {
      followed.fail(error);
    }
  }

  /** A row that others moved into or out of windows: by whatever else it is followed, it was before and is now. */
  #meetUntouched(news: RowNews): void {
    const { collection, id, movedIn } = news;
    const row = this.#rowOf(collection.name, id);
    if (row instanceof TendrilError) {
      this.#tellUnreadable(news, row, IS);
      return;
    }
    const { values } = row;
    for (const followed of collection.concerned(values, values)) {
      if (movedIn.has(followed)) continue;
      try {
        if (followed.window === null) noteMatch(news, followed, values, values);
        else if (followed.window.follows(id)) noteAll(news, followed, WAS | IS);
      } catch (error) {
        followed.fail(error);
      }
    }
    for (const follower of collection.holders(id)) note(news, follower, WAS | IS);
  }

  /** A session that is still being hydrated hears of the edge with its last chunk. */
  #tellEdge(followed: FollowedSelection, entity: EntityId | null): void {
    const edge = this.#numbered<Edge>({ selection: followed.number, entity });
    const followers = [...followed.subscriptions]
      .filter(({ isComplete }) => isComplete)
      .map(({ follower }) => follower);
    for (const follower of new Set(followers)) this.#draftOf(follower).edges.push(edge);
  }

  #tell(news: RowNews): void {
    const unreadable = news.touched?.unreadable;
    if (unreadable !== undefined) {
      this.#tellUnreadable(news, unreadable, WAS | IS);
      return;
    }
    for (const [follower, flags] of news.followed) {
      const kind = this.#kindOf(news, follower, flags);
      if (kind !== null) this.#draftOf(follower).parts.push(this.#part(news, kind));
    }
  }

  /** What a session is to be sent of a row: null for nothing. */
  #kindOf({ touched }: RowNews, follower: Follower, flags: number): PartKind | null {
    // Whoever holds the id of a row that did not exist has nothing to which items could apply.
    const isShown = (flags & IS) !== 0;
    const wasThere = (flags & (isShown ? WAS : WAS | WAS_STAGED)) !== 0;
    const was = wasThere && touched?.before !== null;
    const is = (flags & (IS | IS_STAGED)) !== 0;
    if (!is || touched?.after === null) return was ? 'leave' : null;
    const isOwn = follower === this.#uploader?.follower && touched !== null && this.#isUploaded(touched);
    if (!isOwn) {
      if (!was) return 'whole';
      // At a relay, what was settled before: its author alone waits for it.
      if (touched === null || touched.before === touched.after) return null;
      return touched.isWhole === true ? 'whole' : 'items';
    }
    // Its own operations are there already: it lacks what the authority added.
    if ((!was && touched.before !== null) || touched.isWhole === true) return 'whole';
    return touched.operations.every(({ id }) => this.#uploader!.operations.has(id)) ? null : 'added';
  }

  #part(news: RowNews, kind: PartKind): Numbered<Part> {
    const made = news.parts.get(kind) ?? this.#numbered(this.#make(news, kind));
    if (!news.parts.has(kind)) this.#parts.work.parts += 1;
    news.parts.set(kind, made);
    return made;
  }

  #make(news: RowNews, kind: PartKind): Part {
    const { collection, id, touched } = news;
    switch (kind) {
      case 'leave':
        return { kind, collection: collection.name, entity: id };
      case 'whole': {
        const row = touched === null ? this.#rowOf(collection.name, id) : touched.after!;
        assert(!(row instanceof TendrilError), 'a row that cannot be read is to be told');
        return { kind, collection: collection.name, row: encodeRow(collection.entry.descriptor, row) };
      }
      case 'items':
      case 'added': {
        const { operations, after } = touched!;
        const own = this.#uploader?.operations;
        const told = kind === 'items' ? operations : operations.filter((operation) => !own!.has(operation.id));
        const items = encodeItems(told.map((operation) => ({ id: operation.id, edits: operation.edits })));
        return { kind: 'items', collection: collection.name, entity: id, items, head: after!.head };
      }
    }
  }

  /** A row that this transaction did not touch, as it stands at it: later ones of the group are in the table already. */
  #rowOf(collection: string, id: EntityId): StoredRow | TendrilError {
    const later = this.#later ?? touchedLater(this.#place);
    this.#later = later;
    return later.get(rowKey(collection, id)) ?? this.#parts.readRow(collection, id)!;
  }

  /**
   * A row that others moved and that cannot be read: those whom it enters are told so, those whom it leaves as ever. Of one
   * that a relay had, both: it was there, and nobody knows where it is now.
   */
  #tellUnreadable({ collection, id, followed }: RowNews, error: TendrilError, which: number): void {
    for (const [follower, flags] of [...followed]) {
      if ((flags & (which | (which * WAS_STAGED))) === 0) continue;
      followed.delete(follower);
      this.#parts.work.unreadable += 1;
      follower.say({ kind: 'unreadable', collection: collection.name, entity: id, error });
    }
  }

  #stepOf(follower: Follower, { parts, edges }: Draft): Step {
    const settled = follower === this.#uploader?.follower ? this.#commit.transaction : null;
    const signature = `${numbersOf(parts)} ${numbersOf(edges)} ${settled}`;
    const known = this.#steps.get(signature);
    if (known !== undefined) return known;
    const { position } = this.#commit;
    const step: Step = { kind: 'step', position, parts: whatOf(parts), edges: whatOf(edges), settled };
    this.#steps.set(signature, step);
    this.#parts.work.steps += 1;
    return step;
  }

  #newsOf(collection: FollowedCollection, id: EntityId, touched: Touched | null): RowNews {
    const key = rowKey(collection.name, id);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const news: RowNews = { collection, id, touched, followed: new Map(), movedIn: new Set(), parts: new Map() };
    this.#rows.set(key, news);
    return news;
  }

  #metBy(followed: FollowedSelection): RowNews[] {
    const met = this.#windows.get(followed) ?? [];
    this.#windows.set(followed, met);
    return met;
  }

  #draftOf(follower: Follower): Draft {
    const draft = this.#drafts.get(follower) ?? { parts: [], edges: [] };
    this.#drafts.set(follower, draft);
    return draft;
  }

  #numbered<What>(what: What): Numbered<What> {
    this.#numbers += 1;
    return { number: this.#numbers, what };
  }
}

/** Rows that later transactions of the group touched, as they stood before. */
function touchedLater({ commits, at }: Place): ReadonlyMap<string, StoredRow> {
  const rows = new Map<string, StoredRow>();
  for (const { touched } of commits.slice(at + 1)) {
    for (const { collection, id, before } of touched) {
      const key = rowKey(collection, id);
      if (before !== null && !rows.has(key)) rows.set(key, before);
    }
  }
  return rows;
}

function noteMatch(news: RowNews, followed: FollowedSelection, before: RawRow | null, after: RawRow | null): void {
  const was = before !== null && followed.matches(before) ? WAS : 0;
  const is = after !== null && (after === before ? was !== 0 : followed.matches(after)) ? IS : 0;
  if ((was | is) !== 0) noteAll(news, followed, was | is);
}

/** It changes where its window does not follow it. Whoever it enters now may have it no more: that one is told it whole. */
function notePushedOut(news: RowNews, { subscriptions }: FollowedSelection, before: StoredRow): void {
  for (const subscription of subscriptions) {
    const { mayHave } = subscription;
    if (mayHave !== null && subscription.countsFor(news.id) && mayHave(before))
      note(news, subscription.follower, WAS_STAGED);
  }
}

function noteMove(news: RowNews, followed: FollowedSelection, flag: number): void {
  news.movedIn.add(followed);
  noteAll(news, followed, flag);
}

function noteAll(news: RowNews, { subscriptions }: FollowedSelection, flags: number): void {
  for (const subscription of subscriptions) {
    const { isComplete, follower } = subscription;
    // What enters by a step is not staged: another's stage may have it, which this selection does not wait for.
    const isShown = isComplete || flags === IS;
    if (subscription.countsFor(news.id)) note(news, follower, isShown ? flags : flags * WAS_STAGED);
    else subscription.whenMissed?.(news.id);
  }
}

function note({ followed }: RowNews, follower: Follower, flags: number): void {
  followed.set(follower, (followed.get(follower) ?? 0) | flags);
}

function numbersOf(list: readonly Numbered<unknown>[]): string {
  return list.map(({ number }) => number).join();
}

function whatOf<What>(list: readonly Numbered<What>[]): readonly What[] {
  return list.map(({ what }) => what);
}
