/** What the behaviour suites share: a small schema, and a way to open nodes that are closed after each test. */
import { afterEach } from 'vitest';
import type { HistoryEntry } from '../../engine/history.ts';
import { collection, integer, type Node, text } from '../../index.ts';

export const Note = collection(
  'note',
  {
    title: text(),
    body: text().optional(),
    stars: integer().default(3),
    status: text('open', 'done').default('open'),
  },
  { indexes: [['stars']] },
);
export const Counter = collection('counter', { count: integer() });

/** Opens one node of the kind under test, over `COLLECTIONS`. */
export type OpenNode = () => Promise<Node>;
export const COLLECTIONS = [Note, Counter] as const;

/** An `OpenNode` whose nodes are closed after the test that opened them. */
export function closingAfterEach(open: OpenNode): OpenNode {
  const opened: Node[] = [];
  afterEach(async () => {
    for (const node of opened.splice(0)) await node.close();
  });
  return async () => {
    const node = await open();
    opened.push(node);
    return node;
  };
}

/** Whose log tells what a node has written: its own, or its authority's once all is settled there. */
export type LogOf = (node: Node) => Promise<Node>;
export const ownLog: LogOf = async (node) => node;

/** Hands everything that `from` holds to `to`, in order. */
export async function replicate(from: Node, to: Node): Promise<void> {
  await to.ingest(await operationsOf(from));
}

export async function operationsOf(node: Node): Promise<readonly Uint8Array[]> {
  return (await node.operations(0, 10_000)).map(({ bytes }) => bytes);
}

/** The operations that nobody has built on. */
export function headOf(history: readonly HistoryEntry[]): readonly string[] {
  const built = new Set(history.flatMap(({ precursors }) => precursors));
  return history.map(({ id }) => id).filter((id) => !built.has(id));
}
