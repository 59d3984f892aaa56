/**
 * Random transactions over several entities of two collections at once: synchronous, asynchronous, in groups that share
 * one fsync, as SQL, and ingested from another author. A receipt is given out only after its transaction resolved.
 *
 * A transaction that must leave no trace (its callback throws at the end) carries a negative stamp.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type Node, TendrilError, type Transaction } from '../../index.ts';
import type { Random } from '../support/random.ts';
import { Account, COLLECTIONS, placeOf, type Receipt, type Stamped } from './collections.ts';
import { createForeignAuthor, type ForeignAuthor } from './foreign-author.ts';

/** Entities one transaction touches at most, and members of one group. */
const MAX_WIDTH = 6;
const MAX_GROUP = 8;
/** Characters of a body; the longer ones take overflow pages. */
const BODY_LENGTHS = [0, 10, 200, 3_000, 9_000];

interface Action {
  readonly kind: 'create' | 'update' | 'delete' | 'restore';
  readonly collection: Stamped;
  /** null: minted. */
  readonly id: string | null;
}

export interface WriterParts {
  readonly node: Node;
  readonly random: Random;
  /** Stamps count up from here. */
  readonly firstStamp: number;
  readonly acknowledge: (receipt: Receipt) => void;
}

export class Writer {
  readonly #parts: WriterParts;
  readonly #foreign: ForeignAuthor;
  readonly #alive = new Map<string, Stamped>();
  readonly #deleted = new Map<string, Stamped>();
  #stamp: number;

  private constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#stamp = parts.firstStamp;
    this.#foreign = createForeignAuthor(parts.random);
  }

  static async open(parts: WriterParts): Promise<Writer> {
    const writer = new Writer(parts);
    for (const collection of COLLECTIONS) {
      for (const { id } of await parts.node.query(collection, 'true')) writer.#alive.set(id, collection);
    }
    return writer;
  }

  /** One random transaction, or one random group of them; resolves when all have ended. */
  async step(): Promise<void> {
    const { random } = this.#parts;
    const kind = random.integer(10);
    if (kind < 4) return this.#transact(random.chance(0.3));
    if (kind < 7) {
      const members = Array.from({ length: 2 + random.integer(MAX_GROUP - 1) }, () =>
        random.chance(0.15) ? this.#throwAtTheEnd() : this.#transact(random.chance(0.2)),
      );
      await Promise.all(members);
      return;
    }
    if (kind === 7) return this.#throwAtTheEnd();
    if (kind === 8) return this.#updateBySql();
    return this.#ingest();
  }

  async #transact(asynchronous: boolean): Promise<void> {
    const stamp = this.#stamp++;
    const actions = this.#plan();
    const body = asynchronous
      ? async (tx: Transaction) => {
          await turn();
          return this.#perform(tx, actions, stamp);
        }
      : (tx: Transaction) => this.#perform(tx, actions, stamp);
    const ids = await this.#parts.node.transact<string[] | Promise<string[]>>(body).catch(lostRace);
    if (ids !== null) this.#remember(actions, ids, stamp);
  }

  async #throwAtTheEnd(): Promise<void> {
    const actions = this.#plan();
    const thrown = new Error('thrown on purpose');
    const attempt = this.#parts.node.transact((tx) => {
      this.#perform(tx, actions, -this.#stamp++);
      throw thrown;
    });
    await attempt.catch((error) => {
      if (error !== thrown) lostRace(error);
    });
  }

  async #updateBySql(): Promise<void> {
    const ids = [...this.#alive].filter(([, collection]) => collection === Account).map(([id]) => id);
    const chosen = ids.slice(-1 - this.#parts.random.integer(MAX_WIDTH));
    if (chosen.length === 0) return;
    const { stamp, width, body } = this.#values(this.#stamp++, chosen.length);
    const marks = chosen.map(() => '?').join(', ');
    await this.#parts.node.sql(`UPDATE account SET stamp = ?, width = ?, body = ? WHERE id IN (${marks})`, [
      stamp,
      width,
      body,
      ...chosen,
    ]);
    this.#parts.acknowledge({ stamp, entities: chosen.map((id) => placeOf('account', id)).sort() });
  }

  /** Two transactions of another author, the later one sometimes first: then it waits for the other. */
  async #ingest(): Promise<void> {
    const { node, random, acknowledge } = this.#parts;
    const batches = [this.#stamp++, this.#stamp++].map((stamp) => {
      const width = 1 + random.integer(MAX_WIDTH);
      return this.#foreign.write(this.#values(stamp, width));
    });
    if (random.chance(0.5)) batches.reverse();
    for (const { operations } of batches) await node.ingest(operations);
    for (const { receipt } of batches) acknowledge(receipt);
  }

  /** Some actions on entities that all differ. */
  #plan(): Action[] {
    const { random } = this.#parts;
    const actions: Action[] = [];
    const taken = new Set<string>();
    for (let left = 1 + random.integer(MAX_WIDTH); left > 0; left -= 1) {
      const kind = random.pick(['create', 'update', 'update', 'update', 'delete', 'restore'] as const);
      const ids = [...(kind === 'restore' ? this.#deleted : this.#alive)];
      const [id, collection] = random.pick(ids) ?? [null, null];
      if (kind === 'create' || id === null) {
        actions.push({ kind: 'create', collection: random.pick(COLLECTIONS), id: null });
      } else if (!taken.has(id)) {
        taken.add(id);
        actions.push({ kind, collection, id });
      }
    }
    return actions;
  }

  #perform(tx: Transaction, actions: readonly Action[], stamp: number): string[] {
    return actions.map(({ kind, collection, id }) => {
      const values = this.#values(stamp, actions.length);
      if (kind === 'create' || id === null) return tx.create(collection, values);
      if (kind === 'restore') tx.restore(collection, id);
      tx.update(collection, id, values);
      if (kind === 'delete') tx.delete(collection, id);
      return id;
    });
  }

  #values(stamp: number, width: number) {
    const { random } = this.#parts;
    const body = String.fromCharCode(97 + random.integer(26)).repeat(random.pick(BODY_LENGTHS));
    return { stamp, width, body, extra: random.chance(0.5) ? random.integer(1_000) : null };
  }

  #remember(actions: readonly Action[], ids: readonly string[], stamp: number): void {
    const entities = actions.map(({ kind, collection }, index) => {
      const id = ids[index]!;
      this.#alive.delete(id);
      this.#deleted.delete(id);
      (kind === 'delete' ? this.#deleted : this.#alive).set(id, collection);
      return placeOf(collection.name, id);
    });
    this.#parts.acknowledge({ stamp, entities: entities.sort() });
  }
}

/** Another transaction was first: a member of the same group deleted the entity, or changed it meanwhile. */
function lostRace(error: unknown): null {
  if (error instanceof TendrilError && (error.code === 'not-found' || error.code === 'conflict')) return null;
  throw error;
}
