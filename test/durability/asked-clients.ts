/** A program: ephemeral nodes that write all the time and keep live queries, whatever becomes of their server. */
import { type LiveQuery, Node, type RowOf, webSocket } from '../../index.ts';
import { createRandom, type Random } from '../support/random.ts';
import { offer } from './asked.ts';
import type { Selection, Shown } from './asked-server.ts';
import { Note, placeOf, type Receipt } from './collections.ts';
import { memoryStorage } from './storages.ts';

/** Rows that one transaction touches at most. */
const MAX_WIDTH = 3;
/** Of a client's own notes, and of those of others, from which it picks what it updates. */
const PICKED_FROM = 20;
const STAMPS_PER_CLIENT = 1_000_000;

/** What a live query shows. */
export interface ShownLive {
  readonly status: string;
  readonly rows: readonly Shown[];
}

interface Client {
  readonly node: Node;
  readonly random: Random;
  readonly selections: readonly Selection[];
  readonly lives: readonly LiveQuery<RowOf<typeof Note>>[];
  /** The last one used. */
  stamp: number;
  /** Until what it is writing is settled. */
  writing: Promise<void> | null;
}

const wakes = new Set<() => void>();
const clients: Client[] = [];
const receipts: Receipt[] = [];
let isWriting = false;

async function open(port: number, number: number, seed: number): Promise<Client> {
  const upstream = {
    ...webSocket(`ws://localhost:${port}`),
    onReachable: (wake: () => void) => {
      wakes.add(wake);
      return () => wakes.delete(wake);
    },
  };
  const node = await Node.open({ collections: [Note], storage: memoryStorage(), upstream, onError: () => {} });
  const selections: readonly Selection[] = [
    ['stamp > 0 ORDER BY stamp DESC LIMIT 20', []],
    ['extra = ?', [number % 7]],
    ['stamp BETWEEN ? AND ?', [number * STAMPS_PER_CLIENT, (number + 1) * STAMPS_PER_CLIENT]],
  ];
  const lives = selections.map(([text, parameters]) => node.live(Note, text, parameters));
  const random = createRandom(seed + number);
  return { node, random, selections, lives, stamp: number * STAMPS_PER_CLIENT, writing: null };
}

/** One transaction after the other, each when the one before it is settled. */
async function write(client: Client): Promise<void> {
  while (isWriting) {
    const { node, random, lives } = client;
    client.stamp += 1;
    const { stamp } = client;
    const known = lives[random.integer(lives.length)]!.rows.slice(0, PICKED_FROM).map(({ id }) => id);
    const width = 1 + random.integer(MAX_WIDTH);
    const picked = new Set(known.length === 0 ? [] : Array.from({ length: width }, () => random.pick(known)));
    const entities = await node.transact(
      (tx) => {
        const values = { stamp, width: 0, body: `${stamp}`, extra: random.integer(7) };
        const updates = [...picked].filter(() => random.chance(0.5));
        const all = { ...values, width };
        for (const id of updates) tx.update(Note, id, all);
        const created = Array.from({ length: width - updates.length }, () => tx.create(Note, all));
        return [...updates, ...created];
      },
      { until: 'settled' },
    );
    receipts.push({ stamp, entities: entities.map((id) => placeOf(Note.name, id)).sort() });
  }
}

const offered = {
  open: async (port: number, first: number, count: number, seed: number): Promise<void> => {
    for (let number = first; number < first + count; number += 1) clients.push(await open(port, number, seed));
    await Promise.all(clients.flatMap(({ lives }) => lives.map(({ ready }) => ready)));
  },
  /** The server may be reached again. */
  wake: (): void => {
    for (const wake of wakes) wake();
  },
  go: (): void => {
    isWriting = true;
    for (const client of clients) client.writing = write(client);
  },
  /** Writes no more; resolves when all that was written is settled, with the receipts since the last time. */
  stop: async (): Promise<readonly Receipt[]> => {
    isWriting = false;
    await Promise.all(clients.map(({ writing }) => writing));
    return receipts.splice(0);
  },
  selections: (): readonly Selection[] => clients.flatMap(({ selections }) => selections),
  shown: (): readonly ShownLive[] =>
    clients.flatMap(({ lives }) =>
      lives.map(({ status, rows }) => ({ status, rows: rows.map(({ id, stamp }): Shown => [id, stamp]) })),
    ),
};
export type AskedClients = typeof offered;

offer(offered);
