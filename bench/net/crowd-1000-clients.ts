/** A program: clients with one live query each. Given: the server's address, the number of the first, how many, and what they follow. */
import { setTimeout } from 'node:timers/promises';
import { type ChangeSet, type LiveQuery, Node } from '../../index.ts';
import type { RowOf } from '../../storage/index.ts';
import { createRandom } from '../../test/support/random.ts';
import { nativeMemory } from '../native.ts';
import { Note, type NoteState, nowUs, stateOf, topicOf } from './crowd-note.ts';
import { openGate } from './gate.ts';
import { offer } from './program.ts';

/** A thousand at once would be more than a server's queue of connections. */
const OPENED_AT_A_TIME = 25;
const LOOK_MS = 5;

export type Asked = readonly [text: string, parameters: number[]];

/** What one client was told, and what its query shows. */
export interface ClientReport {
  readonly asked: Asked;
  readonly told: readonly number[];
  readonly delaysMs: readonly number[];
}

interface Client {
  readonly node: Node;
  readonly asked: Asked;
  readonly live: LiveQuery<RowOf<typeof Note>>;
  readonly told: number[];
  readonly delaysMs: number[];
}

/** What the clients of a program follow: a topic each, all but the last one; or everything. */
export type Follows = 'a topic' | 'everything';

const [url, first, count, follows] = process.argv.slice(2);
const random = createRandom(Number(first));
const gate = openGate(url!);
const clients: Client[] = [];
for (let opened = 0; opened < Number(count); opened += OPENED_AT_A_TIME) {
  const numbers = Array.from({ length: Math.min(OPENED_AT_A_TIME, Number(count) - opened) }, (_, at) => opened + at);
  clients.push(...(await Promise.all(numbers.map((at) => open(Number(first) + at)))));
}

async function open(number: number): Promise<Client> {
  const node = await Node.open({ collections: [Note], storage: nativeMemory(), upstream: gate.upstream });
  const asked: Asked = follows === 'everything' ? ['', []] : ['topic = ?', [topicOf(number)]];
  const live = node.live(Note, ...asked);
  const client: Client = { node, asked, live, told: [], delaysMs: [] };
  await live.ready;
  live.onChange(({ added, updated }: ChangeSet<RowOf<typeof Note>>) => {
    const now = nowUs();
    for (const { row } of [...added, ...updated]) {
      client.told.push(row.sequence);
      client.delaysMs.push((now - row.sentUs) / 1_000);
    }
  });
  return client;
}

/** One looks for all of them: a timer for each would cost more than coming back. */
async function allComplete(): Promise<void> {
  while (clients.some(({ live }) => live.status !== 'complete')) await setTimeout(LOOK_MS);
}

const offered = {
  /** From now on delays count. */
  forgetDelays: () => {
    for (const { delaysMs } of clients) delaysMs.length = 0;
  },
  told: () => clients.reduce((sum, { told }) => sum + told.length, 0),
  reports: (): readonly ClientReport[] => clients.map(({ asked, told, delaysMs }) => ({ asked, told, delaysMs })),
  shown: (): readonly (readonly NoteState[])[] => clients.map(({ live }) => live.rows.map(stateOf)),
  /** All of them lose their links, and get no others. */
  leave: () => gate.shut(),
  /** All of them, within `withinMs`; resolves when all are whole again. */
  reconnect: async (withinMs: number): Promise<void> => {
    gate.open();
    await Promise.all(
      clients.map(async ({ node }) => {
        await setTimeout(random.integer(withinMs));
        // One that cannot be made is made again by itself.
        await node.reconnect().catch(() => {});
      }),
    );
    await allComplete();
  },
};
export type Crowd1000Clients = typeof offered;

offer(offered, () => Promise.all(clients.map(({ node }) => node.close())));
