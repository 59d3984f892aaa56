/**
 * Verify: whether what a node holds is as an upstream has it.
 *
 * An ephemeral node asks its own upstream in its own session (upstream/verifying.ts). Any other upstream is asked in a
 * session made for it, which follows nothing: here it is compared collection by collection, and only told.
 *
 * Invariant: what one of both had not heard of yet when it was compared is told as a difference.
 */
import { TendrilError } from '../errors.ts';
import { bucketOf, createBuckets, type EntityId, idOfRow, type StoredRow, type SystemId } from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { DurableParts } from './open-durable.ts';
import type { EphemeralParts } from './open-ephemeral.ts';
import type { Said, SaidOf, Upstream, UpstreamSession, Welcome } from './stream.ts';
import { MIN_COMPARED_ROWS, VERIFIED_TOGETHER } from './upstream/limits.ts';
import { Collections } from './upstream/session/collections.ts';
import { interrupted } from './upstream/session/connection.ts';
import { Findings, type Verified } from './upstream/verifying/findings.ts';
import { type HeldRows, HeldSelection, heldRows, isSameRow } from './upstream/verifying/held-rows.ts';

type NodeParts = DurableParts | EphemeralParts;
type Chunk = SaidOf<'chunk'>;

/** Those of one node that are under way in sessions of their own. */
export class Verifications {
  readonly #running = new Set<Verification>();

  async run(parts: NodeParts, asked: Upstream | undefined): Promise<Verified> {
    if (asked === undefined && parts.role === 'ephemeral') return parts.replica.verifying.run();
    const upstream = asked ?? parts.upstream;
    if (upstream === null) throw withoutUpstream();
    const verification = new Verification(parts, upstream);
    this.#running.add(verification);
    try {
      return await verification.run();
    } finally {
      this.#running.delete(verification);
      verification.end(interrupted('What was to be compared has been.'));
    }
  }

  end(reason: TendrilError): void {
    for (const verification of this.#running) verification.end(reason);
  }
}

interface Listener {
  /** True: that was all it waited for. */
  readonly take: (said: Said) => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Verification {
  readonly #parts: NodeParts;
  readonly #upstream: Upstream;
  readonly #collections: Collections;
  readonly #held: HeldRows;
  readonly #findings = new Findings();
  #session: UpstreamSession | null = null;
  #welcome: Welcome | null = null;
  #listener: Listener | null = null;
  /** Said while a group was half done. */
  readonly #waiting: Said[] = [];
  /** Why nothing more will be said. */
  #ended: TendrilError | null = null;

  constructor(parts: NodeParts, upstream: Upstream) {
    const { core } = parts;
    this.#parts = parts;
    this.#upstream = upstream;
    this.#collections = new Collections(core.catalog);
    this.#held = heldRows(core, parts.role === 'durable' ? null : parts.replica.overlay);
  }

  async run(): Promise<Verified> {
    await this.#hear(
      () => false,
      () => this.#connect(),
    );
    const [system, welcome] = [this.#system, this.#welcome!];
    if (system !== null && welcome.system !== system) throw otherSystem(system, welcome);
    await this.#hear(
      (said) => {
        if (said.kind === 'described') this.#collections.described(said.differing);
        return said.kind === 'described';
      },
      () => this.#session?.send(this.#collections.describe()),
    );
    this.#findings.missing = this.#collections.missing;
    for (const [at, entry] of this.#parts.core.catalog.entries.entries()) {
      if (!this.#findings.missing.includes(entry.collection.name)) await this.#compare(entry, at + 1);
    }
    this.#findings.isUnrepaired = true;
    return this.#findings.verified;
  }

  end(reason: TendrilError): void {
    if (this.#ended !== null) return;
    this.#end(reason);
    this.#session?.close();
  }

  get #system(): SystemId | null {
    return this.#parts.role === 'durable' ? this.#parts.core.system : this.#parts.replica.system;
  }

  #connect(): void {
    const { node, author, clock, random, scheduler } = this.#parts.core;
    const receiver = {
      welcomed: (welcome: Welcome) => {
        this.#welcome = welcome;
        this.#listener?.resolve();
      },
      said: (messages: readonly Said[]) => this.#said(messages),
      ended: (reason: TendrilError) => this.#end(reason),
    };
    const greeting = { node, author, system: this.#system, cursor: null };
    this.#session = this.#upstream.connect(greeting, receiver, { clock, random, scheduler });
  }

  /** Taken at once, so that no more of it waits here than the link holds. */
  #said(messages: readonly Said[]): void {
    const { queue, core } = this.#parts;
    if (!queue.isDraining() && this.#waiting.length === 0) {
      for (const said of messages) this.#take(said);
      return;
    }
    this.#waiting.push(...messages);
    if (this.#waiting.length > messages.length) return;
    core.scheduler.soon(() => {
      for (const said of this.#waiting.splice(0)) this.#take(said);
    });
  }

  #take(said: Said): void {
    const listener = this.#listener;
    if (listener === null || this.#ended !== null) return;
    try {
      if (said.kind === 'denied') throw said.error;
      if (!listener.take(said)) return;
      this.#listener = null;
      listener.resolve();
    } catch (error) {
      this.#listener = null;
      listener.reject(error);
    }
  }

  #end(reason: TendrilError): void {
    this.#ended ??= reason;
    this.#listener?.reject(reason);
    this.#listener = null;
  }

  /** Resolves when `take` has had what it waits for. @throws {TendrilError} (rejects) why it is not said. */
  #hear(take: Listener['take'], ask: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) throw this.#ended;
      this.#listener = { take, resolve, reject };
      ask();
    });
  }

  async #compare(entry: CatalogEntry, subscription: number): Promise<void> {
    const { name: collection } = entry.collection;
    const refusal = this.#collections.refusalOf(collection);
    if (refusal !== null) throw refusal;
    const rows = new HeldSelection(this.#held, { entry, where: null, parameters: [], matches: () => true });
    const { count, hashes } = await this.#sum(rows);
    const had = count < MIN_COMPARED_ROWS ? null : ({ kind: 'buckets', hashes } as const);
    const comparison: Compared = { entry, rows, summed: count, differing: null, through: null, isFirst: true };
    await this.#hear(
      (said) => said.kind === 'chunk' && this.#compareChunk(comparison, said),
      () => this.#session?.send({ kind: 'subscribe', subscription, collection, text: '', parameters: [], had }),
    );
    await this.#hear(
      ({ kind }) => kind === 'unsubscribed',
      () => this.#session?.send({ kind: 'unsubscribe', subscription }),
    );
  }

  async #sum(rows: HeldSelection): Promise<{ readonly count: number; readonly hashes: Uint8Array }> {
    const { scheduler } = this.#parts.core;
    const buckets = createBuckets();
    let count = 0;
    for (let through: EntityId | null = null; ; ) {
      const stretch = rows.next(through, null, VERIFIED_TOGETHER);
      for (const { id, head } of stretch.rows) if (head !== null) buckets.add(id, head);
      count += stretch.rows.length;
      through = stretch.through;
      if (through === null) return { count, hashes: buckets.hashes() };
      // Others work meanwhile.
      await new Promise<void>((resolve) => scheduler.next(resolve));
      if (this.#ended !== null) throw this.#ended;
    }
  }

  /** Returns whether it was the last. */
  #compareChunk(compared: Compared, chunk: Chunk): boolean {
    const { entry, rows, through: from } = compared;
    if (compared.isFirst && chunk.basis === 'buckets') {
      compared.differing = new Set(chunk.differing);
      this.#findings.rows += compared.summed;
    }
    compared.isFirst = false;
    const { differing } = compared;
    const came = new Set(chunk.rows.map(idOfRow));
    for (const bytes of chunk.rows) this.#meet(entry, bytes);
    const lastRow = chunk.rows.at(-1);
    const through = chunk.last || lastRow === undefined ? null : idOfRow(lastRow);
    if (!chunk.last && through === null) return false;
    compared.through = through;
    if (differing?.size === 0) return chunk.last;
    const { rows: here } = rows.next(from, through, Number.MAX_SAFE_INTEGER);
    if (differing === null) this.#findings.rows += here.length;
    for (const { id } of here) {
      const isExpected = differing === null || differing.has(bucketOf(id));
      if (isExpected && !came.has(id)) this.#findings.add(entry.collection.name, id);
    }
    return chunk.last;
  }

  /** What an ephemeral node does not hold it need not. */
  #meet(entry: CatalogEntry, bytes: Uint8Array): void {
    const { name } = entry.collection;
    const id = idOfRow(bytes);
    const before = this.#held.confirmed(name, id);
    if (before === null && this.#parts.role === 'ephemeral') return;
    if (before === null || before.deleted !== null) this.#findings.rows += 1;
    const row = this.#read(entry, bytes);
    if (before === null || row === null || !isSameRow(entry, before, row)) this.#findings.add(name, id);
  }

  /** Null where it cannot be read. */
  #read(entry: CatalogEntry, bytes: Uint8Array): StoredRow | null {
    try {
      return this.#collections.read(entry, bytes);
    } catch (error) {
      if (error instanceof TendrilError && error.code === 'protocol-violation') return null;
      throw error;
    }
  }
}

/** One collection, while it is compared. */
interface Compared {
  readonly entry: CatalogEntry;
  readonly rows: HeldSelection;
  readonly summed: number;
  /** Of these buckets all rows come; null: of all. */
  differing: ReadonlySet<number> | null;
  through: EntityId | null;
  isFirst: boolean;
}

function otherSystem(own: SystemId, { system, node }: Welcome): TendrilError {
  return new TendrilError({
    code: 'system-mismatch',
    problem: `This node belongs to the system ${own}; the upstream ${node}, with which it was to be compared, to ${system}.`,
    remedy: 'Verify with a node of the same system.',
    facts: { own, system, node },
  });
}

function withoutUpstream(): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: 'This node has no upstream to be compared with.',
    remedy: 'Give one to `verify`.',
  });
}
