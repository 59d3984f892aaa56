/** Law 1 through the whole stack: operation bytes, `ingest`, parking, merge, tables. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DurableParts, openDurable } from '../../engine/open-durable.ts';
import { blob, collection, integer, real, text } from '../../index.ts';
import { encodeOperation } from '../../storage/index.ts';
import { type GraphOptions, type GraphTransaction, permutations, randomGraph, shuffled } from '../support/graphs.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('convergence');
const Note = collection('note', {
  title: text().optional(),
  count: integer().optional(),
  stars: integer().default(3),
  weight: real().optional(),
  photo: blob().optional(),
});
const properties = [
  { name: 'count', values: [null, 0n, 1n, -7n, 2n ** 53n - 1n] },
  { name: 'later', values: [null, 'unknown here', 5n, 2.5, new Uint8Array([1, 2])] },
  { name: 'newer', values: ['also unknown here', 0n] },
  { name: 'photo', values: [null, new Uint8Array(), new Uint8Array([1]), new Uint8Array([2])] },
  { name: 'stars', values: [null, 3n, 4n] },
  { name: 'title', values: [null, '', 'ä', '𝒳', 'draft', 'final'] },
  { name: 'weight', values: [null, 0, 3, 0.1, -1e300] },
];

let nodes: DurableParts[];
beforeAll(async () => {
  nodes = await Promise.all([1, 2, 3].map(() => openDurable({ collections: [Note] })));
});
afterAll(() => {
  for (const { core } of nodes) core.driver.close();
});

/** Every column but those that are this node's own: `_asOf` and `_pending`. */
const ALL_ROWS = `SELECT id, quote(title), quote(count), quote(stars), quote(weight), quote(photo), hex(_head), hex(_versions),
  hex(_deleted), hex(_extra) FROM _note ORDER BY id`;
const rowsOf = ({ core }: DurableParts) => core.driver.all(ALL_ROWS).map((cells) => cells.join('|'));

function empty({ core }: DurableParts): void {
  for (const table of ['_note', 'tendril_transaction', 'tendril_identity', 'tendril_content', 'tendril_outcome']) {
    core.driver.exec(`DELETE FROM ${table}`);
  }
  core.log.rewind();
}

const bytesOf = ({ operations }: GraphTransaction) => operations.map(encodeOperation);

const torn = ({ id, operations }: GraphTransaction): readonly GraphTransaction[] =>
  operations.map((operation) => ({ id, operations: [operation] }));

/** In the order given, in portions of any size, each operation once or more. */
async function deliver(node: DurableParts, graph: readonly GraphTransaction[], random: Random): Promise<void> {
  const expected = graph.flatMap(({ operations }) => operations).length;
  let applied = 0;
  let portion: Uint8Array[] = [];
  const flush = async () => {
    const result = await node.ingester.ingest(shuffled(portion, random));
    expect([result.refused, result.dropped]).toEqual([[], []]);
    applied += result.applied;
    portion = [];
  };
  for (const transaction of graph) {
    portion.push(...bytesOf(transaction));
    if (random.chance(0.2)) portion.push(...bytesOf(random.pick(graph)));
    if (random.chance(0.5)) await flush();
  }
  await flush();
  expect([applied, node.ingester.parked()]).toEqual([expected, { transactions: 0, bytes: 0 }]);
}

function optionsOf(random: Random, transactions: number): GraphOptions {
  const authors = 2 + random.integer(4);
  return { collection: 'note', properties, authors, entities: 1 + random.integer(3), transactions };
}

describe('nodes that hold the same operations hold the same rows, heads and versions, byte for byte', () => {
  test('in every order of arrival of small graphs', async () => {
    const random = createRandom(seed);
    const [node] = nodes as [DurableParts];
    for (let run = 0; run < runs(150); run += 1) {
      const graph = randomGraph(random, optionsOf(random, 3 + random.integer(3)));
      let expected: readonly string[] | null = null;
      for (const order of permutations(graph)) {
        empty(node);
        for (const transaction of order) await node.ingester.ingest(bytesOf(transaction));
        expect(node.ingester.parked().transactions).toBe(0);
        expected ??= rowsOf(node);
        if (rowsOf(node).join() !== expected.join()) expect(rowsOf(node), `seed ${seed}`).toEqual(expected);
      }
      expect(expected?.length).toBeGreaterThan(0);
    }
  });

  test('in random orders of random graphs, in any portions, with duplicates', async () => {
    const random = createRandom(seed + 1);
    const [causal, ...others] = nodes as [DurableParts, ...DurableParts[]];
    for (let run = 0; run < runs(10_000); run += 1) {
      for (const node of nodes) empty(node);
      const graph = randomGraph(random, optionsOf(random, 2 + random.integer(10)));
      await deliver(causal, graph, random);
      for (const node of others) {
        // Some arrive torn: that loses a transaction's atomicity, which is its sender's fault, and nothing else.
        const pieces = random.chance(0.3) ? graph.flatMap(torn) : graph;
        await deliver(node, shuffled(pieces, random), random);
        expect(rowsOf(node), `run ${run} of seed ${seed}`).toEqual(rowsOf(causal));
      }
    }
    expect(causal.core.log.verifyChain()).toBeNull();
  });

  test('and every row can be undone to what it was at every position', async () => {
    const random = createRandom(seed + 2);
    const [node] = nodes as [DurableParts];
    for (let run = 0; run < runs(200); run += 1) {
      empty(node);
      const graph = randomGraph(random, optionsOf(random, 2 + random.integer(20)));
      const entities = [...new Set(graph.flatMap(({ operations }) => operations.map(({ entity }) => entity)))];
      const { core } = node;
      const states = [entities.map((entity) => core.rows.read('note', entity))];
      for (const transaction of graph) {
        await node.ingester.ingest(bytesOf(transaction));
        states.push(entities.map((entity) => core.rows.read('note', entity)));
      }
      for (const [position, state] of states.entries()) {
        const then = entities.map((entity) => core.rowAt(position as never, 'note', entity));
        expect(then, `run ${run} of seed ${seed}`).toEqual(state);
      }
    }
  });
});
