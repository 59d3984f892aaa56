/**
 * Random causal graphs, as several authors who see each other's work late would make them: for the convergence suites.
 *
 * Every transaction is whole, every precursor was known to its author, ids respect cause; clocks wander.
 */
import { createMint } from '../../engine/write/mint.ts';
import type { SqlValue } from '../../query/index.ts';
import type { Edit, EntityId, Operation, OperationId, TransactionId } from '../../storage/index.ts';
import { createTestRandom } from './ports.ts';
import type { Random } from './random.ts';

export interface GraphTransaction {
  readonly id: TransactionId;
  readonly operations: readonly Operation[];
}

export interface GraphProperty {
  readonly name: string;
  readonly values: readonly SqlValue[];
}

export interface GraphOptions {
  readonly collection: string;
  /** In UTF-8 order of their names. */
  readonly properties: readonly GraphProperty[];
  readonly authors: number;
  readonly entities: number;
  readonly transactions: number;
}

interface Author {
  readonly name: string;
  readonly mint: { readonly next: () => string; readonly observe: (id: string) => void };
  readonly known: Set<GraphTransaction>;
  readonly heads: Map<EntityId, Set<OperationId>>;
}

/** The transactions in the order they were made, which respects cause. */
export function randomGraph(random: Random, options: GraphOptions): readonly GraphTransaction[] {
  const clockMs = () => 1_700_000_000_000 + random.integer(2_000);
  const authors = Array.from({ length: options.authors }, (_, index): Author => {
    const mint = createMint({ now: clockMs }, createTestRandom(random.integer(2 ** 31)));
    return { name: `author-${index}`, mint, known: new Set(), heads: new Map() };
  });
  const entities = Array.from({ length: options.entities }, () => authors[0]!.mint.next() as EntityId);
  const made: GraphTransaction[] = [];
  while (made.length < options.transactions) {
    const author = random.pick(authors);
    if (random.chance(0.4)) learn(author, random.pick(authors));
    else made.push(write(author, entities, options, random));
  }
  return made;
}

function learn(author: Author, from: Author): void {
  for (const transaction of from.known) if (!author.known.has(transaction)) know(author, transaction);
}

function know(author: Author, transaction: GraphTransaction): void {
  author.known.add(transaction);
  for (const { id, entity, precursors } of transaction.operations) {
    const head = author.heads.get(entity) ?? new Set();
    for (const precursor of precursors) head.delete(precursor);
    author.heads.set(entity, head.add(id));
    author.mint.observe(id);
  }
}

function write(author: Author, entities: readonly EntityId[], options: GraphOptions, random: Random): GraphTransaction {
  const id = author.mint.next() as TransactionId;
  const touched = new Set(Array.from({ length: 1 + random.integer(3) }, () => random.pick(entities)));
  const operations = [...touched].map((entity): Operation => {
    const precursors = [...(author.heads.get(entity) ?? [])].sort();
    return {
      id: author.mint.next() as OperationId,
      transaction: id,
      collection: options.collection,
      entity,
      precursors,
      edits: edits(precursors.length === 0, options.properties, random),
      author: author.name,
      salt: Uint8Array.from({ length: 8 }, () => random.integer(256)),
    };
  });
  const transaction = { id, operations };
  know(author, transaction);
  return transaction;
}

function edits(root: boolean, properties: readonly GraphProperty[], random: Random): readonly Edit[] {
  const made: Edit[] = [];
  if (root) made.push({ kind: 'create', property: '' });
  else if (random.chance(0.3))
    made.push({ kind: random.pick(['delete', 'delete', 'restore', 'create']), property: '' });
  for (const { name, values } of properties) {
    if (random.chance(0.4)) made.push({ kind: 'set', property: name, value: random.pick(values) });
  }
  return made;
}

/** All orders of `items` in which each comes after what it names in `needs`. */
export function causalOrders<Item>(items: readonly Item[], needs: (item: Item) => readonly Item[]): readonly Item[][] {
  if (items.length === 0) return [[]];
  const orders: Item[][] = [];
  for (const first of items) {
    const rest = items.filter((item) => item !== first);
    if (needs(first).some((needed) => rest.includes(needed))) continue;
    for (const order of causalOrders(rest, needs)) orders.push([first, ...order]);
  }
  return orders;
}

/** All orders of `items`. */
export function permutations<Item>(items: readonly Item[]): readonly Item[][] {
  return causalOrders(items, () => []);
}

export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const order = [...items];
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
  return order;
}
