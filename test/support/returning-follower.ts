/**
 * A follower of one collection that goes and comes back: it keeps what it was told, and says what it has when it returns.
 *
 * Invariants
 *   - what a session has been told counts only when all that it asked for at its begin is there; if it is cut before, the
 *     follower is where it was;
 *   - a row of before stays then if this session has told of it, if it is held by its id, or if something that was answered on
 *     what was had speaks for it. From there on no row goes but by a leave: a step tells of a row once for all that follow
 *     it, so that a selection which is still coming may need what is here for another alone.
 */
import { createPlans, limitOf } from '../../engine/live/plan.ts';
import type { Basis, Had, Peer, Said, Step, SubscriptionNumber } from '../../engine/stream.ts';
import { mergeOperation } from '../../engine/write/merge.ts';
import type { Selection, SqlParameters } from '../../query/index.ts';
import {
  bucketOf,
  type Cursor,
  createBuckets,
  decodeItems,
  decodeRow,
  type EntityId,
  type EpochId,
  type Operation,
  type Position,
  type StoredRow,
} from '../../storage/index.ts';
import type { FeedNode } from './feed-node.ts';

/** One selection. */
interface Member {
  readonly text: string;
  readonly parameters: SqlParameters;
  edge: EntityId | null;
  /** Of one that is not complete: the last id said. */
  through: EntityId | null;
  isComplete: boolean;
}

interface State {
  cursor: Cursor | null;
  readonly rows: Map<EntityId, StoredRow>;
  readonly members: Map<string, Member>;
  readonly held: Set<EntityId>;
}

interface Asked {
  readonly member: Member;
  /** When the session began. */
  readonly isOfBegin: boolean;
  /** What the authority was told that is here of it; from the last chunk on, for what of that it speaks. */
  had: ReadonlySet<EntityId>;
  differing: ReadonlySet<number>;
  selection: number;
}

const NONE: ReadonlySet<EntityId> = new Set();

type SaidOf<Kind extends Said['kind']> = Extract<Said, { readonly kind: Kind }>;

export class ReturningFollower {
  readonly #node: FeedNode;
  readonly #collection: string;
  readonly #plans;
  #kept: State = { cursor: null, rows: new Map(), members: new Map(), held: new Set() };
  #now: State = this.#kept;
  #session: ReturnType<FeedNode['feed']['open']> | null = null;
  #heard: Said[] = [];
  readonly #asked = new Map<SubscriptionNumber, Asked>();
  #numbers = 0;
  #wantsPull = false;
  #welcomed: Position = 0 as Position;
  /** What was said in all sessions. */
  readonly said: Said[] = [];
  hasResumed = false;
  readonly #awaited = new Set<EntityId>();
  /** Rows of which this session has told, and that have not left since: they are as they are now. */
  readonly #seen = new Set<EntityId>();

  constructor(node: FeedNode, collection: string) {
    this.#node = node;
    this.#collection = collection;
    this.#plans = createPlans<unknown>(node.core.driver.all);
  }

  get isConnected(): boolean {
    return this.#session !== null;
  }

  get rows(): ReadonlyMap<EntityId, StoredRow> {
    return this.#now.rows;
  }

  get members(): readonly Member[] {
    return [...this.#now.members.values()];
  }

  get held(): ReadonlySet<EntityId> {
    return this.#now.held;
  }

  /** - `isLost`: its cursor is of a log that the authority does not know. */
  connect(isLost = false): void {
    const { cursor } = this.#kept;
    const other = `${cursor?.epoch.slice(0, -1)}${cursor?.epoch.endsWith('Z') ? 'Y' : 'Z'}` as EpochId;
    const greeted = cursor === null ? null : isLost ? { ...cursor, epoch: other } : cursor;
    const peer: Peer = {
      author: 'ana',
      relays: false,
      greeting: { node: this.#node.core.node, cursor: greeted },
      say: (said) => {
        this.said.push(said);
        this.#heard.push(said);
      },
      hasMore: () => {
        this.#wantsPull = true;
      },
      hasRoom: () => undefined,
    };
    this.#now = copyOf(this.#kept);
    this.#heard = [];
    this.#asked.clear();
    this.#awaited.clear();
    this.#seen.clear();
    this.#numbers = 0;
    this.#session = this.#node.feed.open(peer);
    const { resumes, position } = this.#session.welcome();
    this.#welcomed = position;
    this.hasResumed = resumes;
    if (!resumes) this.#now.cursor = null;
    for (const member of this.#now.members.values()) this.#subscribe(member, this.#hadOf(member, resumes), true);
    const ids = [...this.#now.held];
    if (ids.length > 0) this.#hold(ids, resumes);
  }

  /** The link is lost: of what was said, what came first was taken, as many messages as `taken` says. */
  cut(taken = Number.POSITIVE_INFINITY): void {
    this.take(taken);
    this.#session!.close();
    this.#session = null;
    this.#wantsPull = false;
    if (this.#isWhole()) this.#kept = this.#now;
    else this.#now = this.#kept;
  }

  follow(text: string, parameters: SqlParameters): void {
    const key = `${text} ${JSON.stringify(parameters)}`;
    if (this.#now.members.has(key)) return;
    const member: Member = { text, parameters, edge: null, through: null, isComplete: false };
    this.#now.members.set(key, member);
    this.#subscribe(member, null, false);
  }

  hold(id: EntityId): void {
    if (this.#now.held.has(id)) return;
    this.#now.held.add(id);
    this.#hold([id], false);
  }

  pull(most = Number.POSITIVE_INFINITY): void {
    for (let pulled = 0; this.#wantsPull && pulled < most; pulled += 1) this.#wantsPull = this.#session!.pull();
  }

  /** Takes in what was said, at most so many messages. */
  take(most = Number.POSITIVE_INFINITY): void {
    for (const said of this.#heard.splice(0, most)) {
      this.#take(said);
      if (this.#isWhole()) this.#letGoUntold();
    }
  }

  #isWhole(): boolean {
    const all = [...this.#asked.values()];
    return this.#awaited.size === 0 && all.every(({ member, isOfBegin }) => member.isComplete || !isOfBegin);
  }

  #hadOf(member: Member, resumes: boolean): Had | null {
    const { isComplete, edge, through, text, parameters } = member;
    const isWindow = Number.isFinite(this.#planOf(text, parameters).limit);
    if (resumes && isComplete) return { kind: 'held', through: null, edge };
    if (isWindow) return null;
    if (resumes) return through === null ? null : { kind: 'held', through, edge: null };
    const buckets = createBuckets();
    for (const id of this.#covered(member)) buckets.add(id, this.#now.rows.get(id)!.head);
    return { kind: 'buckets', hashes: buckets.hashes() };
  }

  #subscribe(member: Member, had: Had | null, isOfBegin: boolean): void {
    this.#numbers += 1;
    const { text, parameters } = member;
    this.#asked.set(this.#numbers, {
      member,
      isOfBegin,
      had: had === null ? NONE : this.#covered(member),
      differing: new Set(),
      selection: 0,
    });
    member.isComplete = false;
    if (had === null) member.through = null;
    const collection = this.#collection;
    this.#session!.take({ kind: 'subscribe', subscription: this.#numbers, collection, text, parameters, had });
  }

  #hold(ids: readonly EntityId[], had: boolean): void {
    for (const id of ids) this.#awaited.add(id);
    this.#session!.take({ kind: 'hold', collection: this.#collection, ids, had });
  }

  #take(said: Said): void {
    if ('position' in said && said.position >= this.#welcomed) {
      this.#now.cursor = { epoch: this.#node.core.log.epoch(), position: said.position };
    }
    switch (said.kind) {
      case 'chunk':
        this.#chunk(said);
        return;
      case 'held':
        for (const id of said.ids) this.#awaited.delete(id);
        for (const bytes of said.rows) this.#put(bytes);
        return;
      case 'step':
        this.#step(said);
        return;
      case 'at':
        return;
      case 'described':
      case 'denied':
      case 'unsubscribed':
      case 'released':
      case 'refused':
      case 'rebase':
      case 'answer':
      case 'unanswered':
      case 'unreadable':
      case 'logged':
      case 'taken':
      case 'pending':
      case 'withdrawn':
      case 'linked':
        throw new Error(`a ${said.kind} that nobody asked for`);
    }
  }

  #chunk(chunk: SaidOf<'chunk'>): void {
    const asked = this.#asked.get(chunk.subscription)!;
    const { member } = asked;
    const { rows } = this.#now;
    for (const bytes of chunk.rows) {
      const id = this.#put(bytes);
      if (member.through === null || id > member.through) member.through = id;
    }
    // It has changed: whatever else it is of tells it whole, or has.
    for (const id of chunk.left) if (!this.#seen.has(id)) rows.delete(id);
    for (const bucket of chunk.differing) asked.differing = new Set([...asked.differing, bucket]);
    asked.selection = chunk.selection;
    if (!chunk.last) return;
    member.isComplete = true;
    member.edge = chunk.edge;
    asked.had = new Set([...asked.had].filter((id) => this.#speaksFor(asked, chunk.basis, id)));
  }

  /** Its last chunk has just come: whether a row that it had, and of which this session has not told, is as it was. */
  #speaksFor({ member, differing }: Asked, basis: Basis, id: EntityId): boolean {
    switch (basis) {
      case 'nothing':
        return false;
      case 'buckets':
        return !differing.has(bucketOf(id));
      case 'held': {
        // Others may have pushed it out of a window: its edge, which may move on past that row, speaks for it no more.
        const row = this.#now.rows.get(id);
        return row !== undefined && this.#covers(member, row);
      }
    }
  }

  #step({ position, parts, edges }: Step): void {
    const { rows } = this.#now;
    for (const part of parts) {
      if (part.kind === 'whole') this.#put(part.row);
      else if (part.kind === 'leave') {
        rows.delete(part.entity);
        this.#seen.delete(part.entity);
      } else {
        let row = rows.get(part.entity);
        if (row === undefined) throw new Error(`items of ${part.entity}, which is not here`);
        for (const { id, edits } of decodeItems(part.items)) {
          const item = { id, edits, precursors: [] } as Pick<Operation, 'id' | 'edits' | 'precursors'> as Operation;
          row = mergeOperation(this.#descriptor(), row, item, position).after;
        }
        rows.set(part.entity, { ...row, head: part.head });
        this.#seen.add(part.entity);
      }
    }
    for (const { selection, entity } of edges) {
      for (const asked of this.#asked.values()) {
        if (asked.selection === selection && asked.member.isComplete) asked.member.edge = entity;
      }
    }
  }

  /** Whether a row, as it is here, is of what is here of a selection. */
  #covers({ text, parameters, isComplete, edge, through }: Member, row: StoredRow): boolean {
    const { plan, selection, limit } = this.#planOf(text, parameters);
    if (limit === 0 || row.deleted !== null || !plan.matches(row.values, selection.values)) return false;
    if (!isComplete) return through !== null && (row.values[0] as EntityId) <= through;
    const last = this.#rowAt(edge);
    if (last === null) return true;
    const keysOf = ({ values }: StoredRow) => plan.order.keysOf(values, selection.values);
    return plan.order.compare(keysOf(row), keysOf(last)) <= 0;
  }

  #rowAt(edge: EntityId | null): StoredRow | null {
    const row = edge === null ? null : this.#now.rows.get(edge);
    if (row === undefined) throw new Error(`the edge ${edge} is not here`);
    return row;
  }

  #covered(member: Member): ReadonlySet<EntityId> {
    return new Set([...this.#now.rows].filter(([, row]) => this.#covers(member, row)).map(([id]) => id));
  }

  /** All that was asked for at the session's begin is here: of what was here before, that goes for which nothing speaks. */
  #letGoUntold(): void {
    const { rows, held } = this.#now;
    const all = [...this.#asked.values()];
    const isKept = (id: EntityId) => this.#seen.has(id) || held.has(id) || all.some(({ had }) => had.has(id));
    for (const id of [...rows.keys()]) if (!isKept(id)) rows.delete(id);
    for (const { isComplete, edge } of this.members) if (isComplete) this.#rowAt(edge);
  }

  #put(bytes: Uint8Array): EntityId {
    const row = decodeRow(this.#descriptor(), bytes);
    const id = row.values[0] as EntityId;
    this.#now.rows.set(id, row);
    this.#seen.add(id);
    return id;
  }

  #planOf(text: string, parameters: SqlParameters) {
    const selection: Selection = this.#node.reader.select(
      this.#node.core.catalog.named(this.#collection)!,
      text,
      parameters,
    );
    return { selection, plan: this.#plans(selection.shape), limit: limitOf(selection) };
  }

  #descriptor() {
    return this.#node.core.catalog.named(this.#collection)!.descriptor;
  }
}

function copyOf({ cursor, rows, members, held }: State): State {
  const copies = [...members].map(([key, member]) => [key, { ...member }] as const);
  return { cursor, rows: new Map(rows), members: new Map(copies), held: new Set(held) };
}
