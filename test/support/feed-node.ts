/** A durable node with a feed of small chunks, and followers that believe whatever they are told. */
import { coversEverything } from '../../engine/covers.ts';
import { createFeed, type Feed } from '../../engine/feed/feed.ts';
import { openStorage } from '../../engine/open-store.ts';
import { assemble, type Parts } from '../../engine/parts.ts';
import type { FeedSession, Peer, Request, Said, Step } from '../../engine/stream.ts';
import { LoggedApplication } from '../../engine/write/apply.ts';
import { mergeOperation } from '../../engine/write/merge.ts';
import type { SqlParameters } from '../../query/index.ts';
import {
  type Collection,
  type Cursor,
  decodeItems,
  decodeRow,
  type EntityId,
  encodeOperation,
  type Operation,
  type Storage,
  type StoredRow,
  type TransactionId,
} from '../../storage/index.ts';
import { createTestClock, createTestRandom, type TestClock } from './ports.ts';

export interface FeedNode extends Parts {
  readonly feed: Feed;
  readonly errors: unknown[];
  readonly clock: TestClock;
  readonly follow: (author?: string) => Believer;
}

export async function openFeedNode(
  collections: readonly Collection[],
  options: { readonly chunkRows?: number; readonly storage?: Storage } = {},
): Promise<FeedNode> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const clock = createTestClock();
  const { storage, ...feedOptions } = options;
  const ports = { clock, random: createTestRandom(1) };
  return openStorage({ collections, ports, ...(storage === undefined ? {} : { storage }) }, (base) => {
    const core = {
      ...base,
      position: base.log.position,
      application: (transaction: TransactionId) => new LoggedApplication(base, transaction),
      covers: coversEverything,
      settled: async () => undefined,
    };
    const parts = assemble(core, {
      mark: () => 0,
      rewind: core.log.rewind,
      boundOf: () => null,
      committed: (commits) => feed.commit(commits),
      onError,
    });
    const feed = createFeed({ ...parts, onError, ...feedOptions });
    const follow = (author = 'ana') => new Believer({ ...parts, feed }, author);
    return { ...parts, feed, errors, clock, follow };
  });
}

interface Subscribed {
  readonly collection: string;
  readonly text: string;
  readonly parameters: SqlParameters;
  selection: number;
  isComplete: boolean;
  through: EntityId | null;
}

/** A follower that keeps what it is told as it is told, and knows nothing else. */
export class Believer implements Peer {
  readonly author: string;
  readonly relays = false;
  readonly greeting: Peer['greeting'];
  readonly session: FeedSession;
  /** What has been said; what of it has been taken in is counted by `taken`. */
  readonly heard: Said[] = [];
  taken = 0;
  wantsPull = false;
  readonly rows = new Map<string, Map<EntityId, StoredRow>>();
  readonly held = new Map<string, Set<EntityId>>();
  readonly subscriptions = new Map<number, Subscribed>();
  readonly edges = new Map<number, EntityId | null>();
  readonly uploads = new Map<TransactionId, readonly Operation[]>();
  readonly #node: Parts;
  #numbers = 0;

  constructor(node: Parts & { readonly feed: Feed }, author: string, cursor: Cursor | null = null) {
    this.author = author;
    this.#node = node;
    this.greeting = { node: node.core.node, cursor };
    this.session = node.feed.open(this);
  }

  readonly say = (said: Said): void => {
    this.heard.push(said);
  };

  readonly hasRoom = (): void => undefined;

  readonly hasMore = (): void => {
    this.wantsPull = true;
  };

  /** All that was said of one kind. */
  said<Kind extends Said['kind']>(kind: Kind): Extract<Said, { readonly kind: Kind }>[] {
    return this.heard.filter((said) => said.kind === kind) as Extract<Said, { readonly kind: Kind }>[];
  }

  get steps(): Step[] {
    return this.said('step');
  }

  subscribe(collection: string, text: string, parameters: SqlParameters = []): number {
    this.#numbers += 1;
    const subscription = this.#numbers;
    const asked = { collection, text, parameters, selection: 0, isComplete: false, through: null };
    this.subscriptions.set(subscription, asked);
    this.session.take({ kind: 'subscribe', subscription, collection, text, parameters, had: null });
    return subscription;
  }

  unsubscribe(subscription: number): void {
    this.subscriptions.delete(subscription);
    this.session.take({ kind: 'unsubscribe', subscription });
  }

  hold(collection: string, ...ids: readonly EntityId[]): void {
    for (const id of ids) this.heldOf(collection).add(id);
    this.session.take({ kind: 'hold', collection, ids, had: false });
  }

  release(collection: string, ...ids: readonly EntityId[]): void {
    for (const id of ids) this.heldOf(collection).delete(id);
    this.session.take({ kind: 'release', collection, ids });
  }

  upload(operations: readonly Operation[], attempt = 1): void {
    const { transaction } = operations[0]!;
    this.uploads.set(transaction, operations);
    this.session.take({ kind: 'upload', transaction, attempt, operations: operations.map(encodeOperation) });
  }

  ask(request: Omit<Extract<Request, { kind: 'ask' }>, 'kind'>): void {
    this.session.take({ kind: 'ask', ...request });
  }

  /** Pulls until there is nothing more, or `most` times. */
  pull(most = Number.POSITIVE_INFINITY): this {
    let pulled = 0;
    while (this.wantsPull && pulled < most) {
      this.wantsPull = this.session.pull();
      pulled += 1;
    }
    return this;
  }

  heldOf(collection: string): Set<EntityId> {
    const held = this.held.get(collection) ?? new Set();
    this.held.set(collection, held);
    return held;
  }

  rowsOf(collection: string): Map<EntityId, StoredRow> {
    const rows = this.rows.get(collection) ?? new Map();
    this.rows.set(collection, rows);
    return rows;
  }

  /** Takes in what was said up to this position, and what stands at none. */
  believe(position = Number.POSITIVE_INFINITY): this {
    for (; this.taken < this.heard.length; this.taken += 1) {
      const said = this.heard[this.taken]!;
      if ('position' in said && said.position > position) return this;
      this.#believe(said);
    }
    return this;
  }

  #believe(said: Said): void {
    switch (said.kind) {
      case 'chunk': {
        const subscribed = this.subscriptions.get(said.subscription);
        if (subscribed === undefined) return;
        for (const row of said.rows) subscribed.through = this.#put(subscribed.collection, row);
        subscribed.selection = said.selection;
        subscribed.isComplete = said.last;
        if (said.last) this.edges.set(said.selection, said.edge);
        return;
      }
      case 'held':
        for (const row of said.rows) this.#put(said.collection, row);
        return;
      case 'step':
        this.#step(said);
        return;
      case 'described':
      case 'denied':
      case 'unsubscribed':
      case 'released':
      case 'refused':
      case 'rebase':
      case 'answer':
      case 'unanswered':
    }
  }

  #step({ position, parts, edges, settled }: Step): void {
    if (settled !== null) this.#settle(settled, position);
    for (const part of parts) {
      const rows = this.rowsOf(part.collection);
      if (part.kind === 'whole') {
        const size = rows.size;
        const entity = this.#put(part.collection, part.row);
        // What is here only for a selection that is still coming is told whole to one that is complete.
        const isComing = [...this.subscriptions.values()].some(({ isComplete }) => !isComplete);
        if (settled === null && !isComing && rows.size === size) throw new Error(`${entity} enters that was here`);
      } else if (part.kind === 'leave') {
        if (!rows.delete(part.entity)) throw new Error(`${part.entity} leaves that never was here`);
      } else {
        let row = rows.get(part.entity)!;
        for (const { id, edits } of decodeItems(part.items)) {
          const item = { id, edits, precursors: [] } as Pick<Operation, 'id' | 'edits' | 'precursors'> as Operation;
          row = mergeOperation(this.#descriptor(part.collection), row, item, position).after;
        }
        rows.set(part.entity, { ...row, head: part.head });
      }
    }
    for (const { selection, entity } of edges) this.edges.set(selection, entity);
  }

  #settle(transaction: TransactionId, position: Step['position']): void {
    for (const operation of this.uploads.get(transaction)!) {
      const { collection, entity, precursors } = operation;
      this.heldOf(collection).add(entity);
      const rows = this.rowsOf(collection);
      const row = rows.get(entity) ?? null;
      if (row === null && precursors.length > 0) continue;
      rows.set(entity, mergeOperation(this.#descriptor(collection), row, operation, position).after);
    }
  }

  #put(collection: string, bytes: Uint8Array): EntityId {
    const row = decodeRow(this.#descriptor(collection), bytes);
    const id = row.values[0] as EntityId;
    this.rowsOf(collection).set(id, row);
    return id;
  }

  #descriptor(collection: string) {
    return this.#node.core.catalog.named(collection)!.descriptor;
  }
}
