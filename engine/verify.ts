/**
 * Verify: whether what a node holds is as an upstream has it.
 *
 * An ephemeral node asks its own upstream in its own session (upstream/verifying/verifying.ts). Any other upstream is asked in a
 * session made for it, which follows nothing: here it is compared collection by collection, and only told.
 *
 * Invariant: what one of both had not heard of yet when it was compared is told as a difference.
 */
import { TendrilError } from '../errors.ts';
import { idOfRow, type StoredRow, type SystemId } from '../storage/index.ts';
import type { CatalogEntry } from './catalog.ts';
import type { DurableParts } from './open-durable.ts';
import type { EphemeralParts } from './open-ephemeral.ts';
import type { Said, Upstream, UpstreamSession, Welcome } from './stream.ts';
import { BucketSummary } from './upstream/following/had.ts';
import { confirmedRows, type HeldRows, HeldSelection, isSameRow, storedRows } from './upstream/overlay/held-rows.ts';
import { Collections } from './upstream/session/collections.ts';
import { interrupted } from './upstream/session/session-errors.ts';
import { Comparison } from './upstream/verifying/comparison.ts';
import { Findings, type Verified } from './upstream/verifying/findings.ts';

type NodeParts = DurableParts | EphemeralParts;

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
    this.#held =
      parts.role === 'durable'
        ? storedRows(core)
        : confirmedRows({ driver: core.driver, overlay: parts.replica.overlay });
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
    const held = new HeldSelection(this.#held, { entry, where: null, parameters: [], matches: () => true });
    const summary = new BucketSummary(held);
    while (summary.advance()) await this.#turn();
    const { had } = summary;
    const comparison = new Comparison({ held, summary, findings: this.#findings });
    await this.#hear(
      (said) => {
        if (said.kind !== 'chunk') return false;
        for (const bytes of said.rows) this.#meet(entry, bytes);
        for (const id of comparison.lacking(said)) this.#findings.add(collection, id);
        return said.last;
      },
      () => this.#session?.send({ kind: 'subscribe', subscription, collection, text: '', parameters: [], had }),
    );
    await this.#hear(
      ({ kind }) => kind === 'unsubscribed',
      () => this.#session?.send({ kind: 'unsubscribe', subscription }),
    );
  }

  /** Others work meanwhile. */
  async #turn(): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.core.scheduler.next(resolve));
    if (this.#ended !== null) throw this.#ended;
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
