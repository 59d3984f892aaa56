/**
 * Actor: the program over one simulated node. It writes, reads and watches at random, tells the ledger what it did, and
 * checks that the change sets it is told of fold to the rows it is shown.
 */
import type { seeded } from '../../bindings/testing/seeded.ts';
import type { World } from '../../bindings/testing/world.ts';
import { applied, type ChangeSet } from '../../engine/live/change-set.ts';
import { type Collection, idFrom, type LiveQuery, type Node, TendrilError, type Transaction } from '../../index.ts';
import { Extra, KINDS, NAMES, Note, RANKS, SELECTIONS, STATEMENTS, WEIGHTS } from './collections.ts';
import type { Ledger, Write } from './ledger.ts';

type Random = ReturnType<typeof seeded>;

const IDS = Array.from({ length: 40 }, (_, at) => idFrom('thing', at));
const NOTE_IDS = Array.from({ length: 6 }, (_, at) => idFrom('note', at));
/** Of one transaction. */
const MAX_ROWS = 30;
/** Rows that are there from the beginning, in some runs. */
const FILLED = 90;
/** Taken from the front of a queue at once. */
const MAX_TAKEN = 12;
/** In which order, and what makes a row one of the last. */
const QUEUES = [
  ['ORDER BY mark', {}],
  ['ORDER BY rank', { rank: RANKS }],
  ["kind = 'green' ORDER BY mark", {}],
] as const;
/** Live queries that a program has open at a time. */
const MAX_OPEN = 6;
/** What a read or a write may be answered with, of a node that is sound. */
const EXPECTED = new Set([
  'not-covered',
  'not-found',
  'offline',
  'closed',
  'storage-failed',
  'conflict',
  'unknown-collection',
  'schema-mismatch',
  'limit-exceeded',
]);

interface Open {
  readonly isStatement: boolean;
  readonly live: LiveQuery<{ readonly id?: unknown }>;
  folded: readonly unknown[];
  /** What was shown when they were last compared. */
  compared: readonly unknown[] | null;
}

export interface ActorParts {
  readonly name: string;
  readonly world: World;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly isFollower: boolean;
  /** Writes that the authority will refuse are made. */
  readonly isDooming: boolean;
  readonly wrong: (violation: string) => void;
}

export class Actor {
  readonly name: string;
  readonly isFollower: boolean;
  collections: readonly Collection[];
  readonly #parts: ActorParts;
  #life = 0;
  #open: Open[] = [];

  constructor(parts: ActorParts, collections: readonly Collection[]) {
    this.#parts = parts;
    this.name = parts.name;
    this.isFollower = parts.isFollower;
    this.collections = collections;
  }

  get life(): number {
    return this.#life;
  }

  /** Its node is gone. */
  died(isPersistent: boolean): void {
    this.#life += 1;
    this.#open = [];
    this.#parts.ledger.died(this.name, isPersistent);
  }

  /** Does one thing, and does not wait for it. */
  act(): void {
    const { random, world } = this.#parts;
    if (!world.isUp(this.name)) return;
    const node = world.nodes[this.name]!;
    const what = random.integer(100);
    if (what < 4) this.#takeFirst(node);
    else if (what < 68) this.#write(node);
    else if (what < 70) this.#shelf(node);
    else if (what < 82) this.#watch(node);
    else if (what < 92) this.#read(node);
    else if (what < 95) this.#writeUpstream(node);
    else this.#writeLater(node);
  }

  /** Opens what it begins with. */
  begin(): void {
    const { random, world } = this.#parts;
    const count = 1 + random.integer(3);
    for (let opened = 0; opened < count; opened += 1) this.#openLive(world.nodes[this.name]!);
  }

  /** More rows than are sent again without a question. */
  fill(): void {
    const { ledger, world } = this.#parts;
    for (let made = 0; made < FILLED; made += MAX_ROWS) {
      const write = ledger.begin(this.name, this.#life);
      const fill = (tx: Transaction) => {
        for (let row = 0; row < MAX_ROWS; row += 1) {
          const id = tx.create(this.#thing(), { ...this.#values(), mark: write.mark });
          write.entities.push(id);
          write.created.push(id);
        }
        write.state = 'applied';
      };
      this.#settle(write, world.nodes[this.name]!.transact(fill, { until: 'settled' }));
    }
  }

  /** What the change sets say, and what is shown. */
  checkFolds(): void {
    for (const open of this.#open) {
      const { rows } = open.live;
      if (open.compared === rows) continue;
      open.compared = rows;
      if (JSON.stringify(open.folded) === JSON.stringify(rows)) continue;
      this.#parts.wrong(`${this.name}: the change sets do not fold to the rows shown`);
    }
  }

  /** What it says of itself, against what is known. */
  checkReport(): void {
    const { world, ledger } = this.#parts;
    if (!this.isFollower || !world.isUp(this.name)) return;
    const { outbox } = world.nodes[this.name]!.report().upstream!;
    const { applied, later } = ledger.pending(this.name, this.#life);
    if (outbox.transactions >= applied && outbox.transactions <= applied + later) return;
    this.#parts.wrong(
      `${this.name}: it reports ${outbox.transactions} pending transactions, and has ${applied} or ${later} more`,
    );
  }

  #thing(): Collection {
    return this.collections[0]!;
  }

  #write(node: Node): void {
    const { random, ledger, isDooming } = this.#parts;
    const write = ledger.begin(this.name, this.#life);
    const count = random.chance(0.25) ? 2 + random.integer(3) : random.chance(0.03) ? MAX_ROWS : 1;
    const dooms = isDooming && this.isFollower && random.chance(0.12);
    const staging = random.chance(0.05) ? ('hold' as const) : ('queue' as const);
    this.#settle(
      write,
      node.transact(
        (tx) => {
          for (let row = 0; row < count; row += 1) this.#change(tx, write);
          if (dooms) this.#doom(tx, write);
          write.state = 'applied';
        },
        { until: 'settled', staging },
      ),
    );
  }

  /** As a queue is worked off: the first go to the end. */
  #takeFirst(node: Node): void {
    const { random, ledger } = this.#parts;
    const write = ledger.begin(this.name, this.#life);
    const thing = this.#thing();
    const [order, last] = random.pick(QUEUES);
    this.#settle(
      write,
      node.transact(
        (tx) => {
          const first = tx.query(thing, `${order} LIMIT ${1 + random.integer(MAX_TAKEN)}`, [], { from: 'local' });
          for (const { id } of first as readonly { readonly id: string }[]) {
            tx.update(thing, id, { ...last, mark: write.mark });
            write.entities.push(id);
          }
          write.state = 'applied';
        },
        { until: 'settled' },
      ),
    );
  }

  /** Looks at what was refused; or lets go what is held back. */
  #shelf(node: Node): void {
    const { random, ledger } = this.#parts;
    if (!this.isFollower || random.chance(0.4)) {
      this.flush();
      return;
    }
    const refused = node.refused.query('ORDER BY id LIMIT 3');
    refused.then(
      (entries) => {
        const entry = entries.length === 0 ? undefined : random.pick(entries);
        if (entry === undefined || !this.#parts.world.isUp(this.name)) return;
        if (random.chance(0.5)) {
          node.refused.discard(entry.id).catch((error) => this.#expected(error));
          return;
        }
        // As something else, which can be settled; nobody is told when.
        const write = ledger.begin(this.name, this.#life);
        write.isSlow = true;
        const again = (tx: Transaction) => {
          this.#change(tx, write);
          write.state = 'later';
        };
        node.refused.retry(entry.id, again).then(
          () => ledger.kept(write),
          (error) => {
            this.#expected(error);
            if (write.state === 'open' || write.state === 'later') write.state = 'failed';
          },
        );
      },
      (error) => this.#expected(error),
    );
  }

  /** What it holds back goes. */
  flush(): void {
    const { world } = this.#parts;
    if (this.isFollower && world.isUp(this.name)) {
      world.nodes[this.name]!.flush().catch((error) => this.#expected(error));
    }
  }

  /** An asynchronous transaction, which reads a snapshot and may have to try again. */
  #writeLater(node: Node): void {
    const { ledger, random } = this.#parts;
    const write = ledger.begin(this.name, this.#life);
    write.isSlow = true;
    const id = random.pick(IDS);
    const later = async (tx: Transaction): Promise<void> => {
      write.entities.length = 0;
      await null;
      this.#update(tx, write, id);
      // When it is applied cannot be seen from outside.
      write.state = 'later';
    };
    this.#settle(write, node.transact(later, { retries: 3, until: 'settled' }));
  }

  #change(tx: Transaction, write: Write): void {
    const { random } = this.#parts;
    if (random.chance(0.15)) {
      const id = random.pick(NOTE_IDS);
      if (!write.entities.includes(id)) {
        tx.create(Note, { body: random.pick(NAMES), mark: write.mark }, { id });
        write.entities.push(id);
        write.created.push(id);
      }
      return;
    }
    const id = random.chance(0.15) ? undefined : random.pick(IDS);
    if (id !== undefined && write.entities.includes(id)) return;
    if (id === undefined || random.chance(0.3)) {
      const created = tx.create(this.#thing(), { ...this.#values(), mark: write.mark }, id === undefined ? {} : { id });
      write.entities.push(created);
      write.created.push(created);
    } else this.#update(tx, write, id);
  }

  #update(tx: Transaction, write: Write, id: string): void {
    const { random } = this.#parts;
    const thing = this.#thing();
    const what = random.integer(10);
    try {
      if (what === 0) tx.restore(thing, id);
      const some = Object.entries(this.#values()).filter(() => random.chance(0.4));
      tx.update(thing, id, { ...Object.fromEntries(some), mark: write.mark });
      if (what === 1 || what === 2) tx.delete(thing, id);
      write.entities.push(id);
    } catch (error) {
      // What is deleted, unknown or not held is let be; a restore that went before it is part of no write that is judged.
      if (!(error instanceof TendrilError) || !['not-found', 'not-covered'].includes(error.code)) throw error;
    }
  }

  #doom(tx: Transaction, write: Write): void {
    const id = tx.create(Extra, { mark: write.mark });
    write.isDoomed = true;
    write.entities.push(id);
    write.created.push(id);
  }

  #values(): Record<string, unknown> {
    const { random } = this.#parts;
    const values: Record<string, unknown> = {
      kind: random.pick(KINDS),
      rank: random.chance(0.1) ? null : random.integer(RANKS),
      weight: random.pick(WEIGHTS),
      name: random.pick(NAMES),
      done: random.chance(0.3),
    };
    if ('colour' in this.#thing().properties) values.colour = random.pick(NAMES);
    return values;
  }

  #settle(write: Write, promise: Promise<unknown>): void {
    const { ledger } = this.#parts;
    const life = this.#life;
    promise.then(
      () => ledger.settled(write),
      (error: unknown) => {
        this.#expected(error);
        if (life !== this.#life) return;
        const code = error instanceof TendrilError ? error.code : 'unknown';
        if (code === 'closed') return;
        // What was refused here never was; what was refused upstream was applied here first.
        const isHere = write.state === 'applied' || (write.state === 'later' && code !== 'conflict');
        if (isHere && this.isFollower && code !== 'storage-failed') ledger.refused(write, code);
        else write.state = 'failed';
      },
    );
  }

  #watch(node: Node): void {
    const { random } = this.#parts;
    const what = random.integer(10);
    if (this.#open.length === 0 || (what < 5 && this.#open.length < MAX_OPEN)) {
      this.#openLive(node);
      return;
    }
    const { live, isStatement } = random.pick(this.#open);
    if (what < 8) {
      live.close();
      this.#open = this.#open.filter((each) => each.live !== live);
      return;
    }
    if (isStatement) return;
    const [text, parameters] = random.pick(SELECTIONS);
    live.reselect(text, parameters).catch((error) => this.#expected(error));
  }

  #openLive(node: Node): void {
    const { random } = this.#parts;
    const [text, parameters] = random.pick(SELECTIONS);
    const isStatement = random.chance(0.05);
    const live: LiveQuery<{ readonly id?: unknown }> = isStatement
      ? (node.live(random.pick(STATEMENTS)) as LiveQuery<{ readonly id?: unknown }>)
      : node.live(this.#thing(), text, parameters);
    const open: Open = { isStatement, live, folded: live.rows, compared: null };
    live.ready.catch((error) => this.#expected(error));
    live.onChange((change: ChangeSet<{ readonly id?: unknown }>) => {
      open.folded = applied(open.folded as never, change as never);
      open.compared = null;
    });
    this.#open.push(open);
  }

  #read(node: Node): void {
    const { random } = this.#parts;
    const what = random.integer(3);
    const [text, parameters] = random.pick(SELECTIONS);
    const answer: Promise<unknown> =
      what === 0
        ? node.get(this.#thing(), random.pick(IDS))
        : what === 1
          ? node.query(this.#thing(), text, parameters)
          : node.sql('SELECT count(*) AS n FROM thing');
    answer.catch((error) => this.#expected(error));
  }

  /** Not covered by anything that is followed: it is run by the authority. */
  #writeUpstream(node: Node): void {
    if (!this.isFollower) return;
    node.sql('UPDATE note SET stars = stars + 1 WHERE stars < 100').catch((error) => this.#expected(error));
  }

  #expected(error: unknown): void {
    if (error instanceof TendrilError && EXPECTED.has(error.code)) return;
    this.#parts.wrong(
      `${this.name}: unexpected ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
}
