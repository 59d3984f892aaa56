/**
 * 100 clients with 20 live queries each, and 500 commits a second for 30 s, each of which concerns 10 of them: from the
 * call at the server to the callback at the client, of all callbacks. The server, with a durable file, is one process, all
 * clients are another. Every query must have been told each commit that concerns it once, in order, and hold in the end
 * what the server answers.
 *
 * Beside them, 10 clients in a third process follow everything, and are stopped all the while: what waits for them at the
 * server is looked at fifty times a second. Afterwards they are let go, reconnect, and must hold what the server does.
 */
import { type ChangeSet, type LiveQuery, Node, webSocket } from '../../index.ts';
import type { RowOf } from '../../storage/index.ts';
import type { Bench, Pace } from '../bench.ts';
import { type Figure, noMoreThan } from '../figure.ts';
import { quantile } from '../measure.ts';
import { nativeMemory } from '../native.ts';
import { withFolder } from '../temporary.ts';
import type { CrowdIdlers } from './crowd-idlers.ts';
import { Note, nowUs, stateOf, TOPICS } from './crowd-note.ts';
import type { CrowdServer } from './crowd-server.ts';
import { type Program, startProgram } from './program.ts';

const CLIENTS = 100;
const QUERIES = 20;
const IDLERS = 10;
const COMMITS_PER_SECOND = 500;
/** At half the pace, before delays count: clients that have just begun run code that is not compiled yet. */
const WARM_UP_SECONDS = 4;
const MAX_SETTLING_MS = 20_000;
const MIB = 1_024 * 1_024;

export const crowd: Bench = {
  name: 'net crowd',
  run: async function* (say, pace) {
    yield* await withFolder((path) => runCrowd(path('crowd.db'), say, pace));
  },
};

async function runCrowd(file: string, say: (what: string) => void, { isShort }: Pace): Promise<readonly Figure[]> {
  const server = await startProgram<CrowdServer>('./crowd-server.ts', file);
  const url = await server.ask('url');
  say(`${CLIENTS} clients, ${IDLERS} that will not read`);
  const clients = await openClients(url);
  const idlers = await startProgram<CrowdIdlers>('./crowd-idlers.ts', url, `${IDLERS}`);
  const followers = clients.flatMap((each) => each.followers);
  process.kill(idlers.pid, 'SIGSTOP');
  say('warm-up');
  const topics = await server.ask('commit', COMMITS_PER_SECOND / 2, WARM_UP_SECONDS);
  await settle(followers, topics);
  for (const { delaysMs } of followers) delaysMs.length = 0;
  say(`${COMMITS_PER_SECOND} commits a second`);
  topics.push(...(await server.ask('commit', COMMITS_PER_SECOND, isShort ? 5 : 30)));
  await settle(followers, topics);
  process.kill(idlers.pid, 'SIGCONT');
  const wrong = await countWrong(server, followers, topics);
  const { mostQueued, ended } = await server.ask('report');
  if (!isShort && ended['limit-exceeded'] !== IDLERS)
    throw new Error(`Not all that did not read were cut off: ${JSON.stringify(ended)}`);
  say('those that did not read come back');
  const wrongIdlers = await countWrongIdlers(server, idlers);
  const delays = followers.flatMap(({ delaysMs }) => delaysMs);
  for (const { node } of clients) await node.close();
  await idlers.end();
  await server.end();
  return [
    absolute('crowd, commit -> callback, p50', 'ms', quantile(delays, 0.5), 100),
    absolute('crowd, commit -> callback, p99', 'ms', quantile(delays, 0.99), 100),
    absolute('crowd, lost, twice or wrong', 'queries', wrong, 0),
    absolute('crowd, waiting for one that does not read', 'MiB', mostQueued / IDLERS / MIB, 4),
    absolute('crowd, wrong after reconnect', 'clients', wrongIdlers, 0),
  ];
}

function absolute(name: string, unit: Figure['unit'], ours: number, bound: number): Figure {
  return { name, unit, ours, limit: null, score: ours, reach: noMoreThan(bound) };
}

/** One live query and all that it was told. */
interface Follower {
  readonly topic: number;
  readonly asked: readonly [text: string, parameters: number[]];
  readonly live: LiveQuery<RowOf<typeof Note>>;
  /** The sequence numbers that came. */
  readonly told: number[];
  readonly delaysMs: number[];
}

interface Client {
  readonly node: Node;
  readonly followers: readonly Follower[];
}

async function openClients(url: string): Promise<readonly Client[]> {
  const clients: Client[] = [];
  for (let number = 0; number < CLIENTS; number += 1) {
    const node = await Node.open({ collections: [Note], storage: nativeMemory(), upstream: webSocket(url) });
    const followers = Array.from({ length: QUERIES }, (_, query) => follow(node, number, query));
    clients.push({ node, followers: await Promise.all(followers) });
  }
  return clients;
}

/** Of the 2,000 queries, 10 of different clients are about each topic; some of these are the same, some a client's own. */
async function follow(node: Node, client: number, query: number): Promise<Follower> {
  const topic = (client * QUERIES + query) % TOPICS;
  const forms = [
    ['topic = ?', [topic]],
    ['topic = ? AND weight >= ?', [topic, -client]],
    ['topic = ? ORDER BY sequence DESC LIMIT 5', [topic]],
    ['topic = ? ORDER BY weight, sequence', [topic]],
  ] as const;
  const [text, parameters] = forms[query % forms.length]!;
  const live = node.live(Note, text, parameters);
  const follower: Follower = { topic, asked: [text, [...parameters]], live, told: [], delaysMs: [] };
  await live.ready;
  live.onChange(({ added, updated }: ChangeSet<RowOf<typeof Note>>) => {
    const now = nowUs();
    for (const { row } of [...added, ...updated]) {
      follower.told.push(row.sequence);
      follower.delaysMs.push((now - row.sentUs) / 1_000);
    }
  });
  return follower;
}

/** Waits until as many came as should. */
async function settle(followers: readonly Follower[], topics: readonly number[]): Promise<void> {
  const expected = (CLIENTS * QUERIES * topics.length) / TOPICS;
  const start = performance.now();
  while (performance.now() - start < MAX_SETTLING_MS) {
    const told = followers.reduce((sum, each) => sum + each.told.length, 0);
    if (told >= expected) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function countWrong(
  server: Program<CrowdServer>,
  followers: readonly Follower[],
  topics: readonly number[],
): Promise<number> {
  const byTopic = Array.from({ length: TOPICS }, (): number[] => []);
  for (const [index, topic] of topics.entries()) byTopic[topic]!.push(index + 1);
  const answers = await server.ask(
    'answers',
    followers.map(({ asked }) => asked),
  );
  const isWrong = ({ topic, told, live }: Follower, index: number) =>
    JSON.stringify(told) !== JSON.stringify(byTopic[topic]) ||
    JSON.stringify(live.rows.map(stateOf)) !== JSON.stringify(answers[index]);
  return followers.filter(isWrong).length;
}

async function countWrongIdlers(server: Program<CrowdServer>, idlers: Program<CrowdIdlers>): Promise<number> {
  const held = await idlers.ask('reconnect');
  const [answer] = await server.ask('answers', [['', []]]);
  return held.filter((rows) => JSON.stringify(rows) !== JSON.stringify(answer)).length;
}
