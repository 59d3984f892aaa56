/**
 * 1,000 clients, 200 distinct live queries, and 500 commits a second for 120 s. 950 of the clients follow a topic each:
 * from the call at the server to the callback at the client, of all callbacks. 50 follow everything, and are stopped all
 * the while, so that much more waits for each than may. The server is one process, its clients are a few others.
 *
 * What the server's process grows by, from the moment when all clients are there, is looked at fifty times a second.
 * Afterwards the 50 are let go, and are right without being told to reconnect; then all 1,000 lose their links, 500 commits a
 * second go on for AWAY_SECONDS, and all reconnect within a second.
 */
import { setTimeout } from 'node:timers/promises';
import type { Bench, Pace } from '../bench.ts';
import { type Figure, noMoreThan } from '../figure.ts';
import { quantile } from '../measure.ts';
import { withFolder } from '../temporary.ts';
import type { ClientReport, Crowd1000Clients, Follows } from './crowd-1000-clients.ts';
import { TOPICS, topicOf } from './crowd-note.ts';
import type { CrowdServer } from './crowd-server.ts';
import { type Program, startProgram } from './program.ts';

const READERS = 950;
const READER_PROGRAMS = 5;
const IDLERS = 50;
const COMMITS_PER_SECOND = 500;
const SECONDS = 120;
const SHORT_SECONDS = 8;
const WARM_UP_SECONDS = 4;
const AWAY_SECONDS = 5;
const RECONNECT_WITHIN_MS = 1_000;
const MAX_SETTLING_MS = 30_000;
const LOOK_MS = 50;
const MIB = 1_024 * 1_024;
/** What may wait for the clients that do not read, and what the server may need beside. */
const MAX_GROWTH_MIB = IDLERS * 4 + 100;

type Clients = Program<Crowd1000Clients>;

export const crowd1000: Bench = {
  name: 'net crowd-1000',
  run: async function* (say, pace) {
    yield* await withFolder((path) => runCrowd(path('crowd.db'), say, pace));
  },
};

async function runCrowd(file: string, say: (what: string) => void, { isShort }: Pace): Promise<readonly Figure[]> {
  const server = await startProgram<CrowdServer>('./crowd-server.ts', file);
  const url = await server.ask('url');
  say(`${READERS} clients`);
  const readers = await startReaders(url);
  say(`${IDLERS} that will not read`);
  const idlers = await startClients(url, READERS, IDLERS, 'everything');
  process.kill(idlers.pid, 'SIGSTOP');
  say('warm-up');
  const topics = await server.ask('commit', COMMITS_PER_SECOND / 2, WARM_UP_SECONDS);
  await settle(readers, topics);
  for (const reader of readers) await reader.ask('forgetDelays');
  const before = await server.ask('rss');
  say(`${COMMITS_PER_SECOND} commits a second`);
  topics.push(...(await server.ask('commit', COMMITS_PER_SECOND, isShort ? SHORT_SECONDS : SECONDS)));
  await settle(readers, topics);
  const { mostRss, ended } = await server.ask('report');
  if (!isShort && ended['limit-exceeded'] !== IDLERS)
    throw new Error(`Not all that did not read were cut off: ${JSON.stringify(ended)}`);
  const reports = (await Promise.all(readers.map((reader) => reader.ask('reports')))).flat();
  const wrong = countMistold(reports, topics) + (await countWrong(server, readers));
  say('those that did not read go on');
  process.kill(idlers.pid, 'SIGCONT');
  const wrongIdlers = await untilRight(server, idlers);
  say('all go away, and reconnect');
  for (const clients of [...readers, idlers]) await clients.ask('leave');
  await server.ask('commit', COMMITS_PER_SECOND, AWAY_SECONDS);
  const backMs = await reconnectAll([...readers, idlers]);
  const wrongBack = await countWrong(server, [...readers, idlers]);
  for (const clients of [...readers, idlers]) await clients.end();
  await server.end();
  const delays = reports.flatMap(({ delaysMs }) => delaysMs);
  return [
    absolute('crowd of 1,000, commit -> callback, p50', 'ms', quantile(delays, 0.5), 250),
    absolute('crowd of 1,000, commit -> callback, p99', 'ms', quantile(delays, 0.99), 250),
    absolute('crowd of 1,000, lost, twice or wrong', 'queries', wrong, 0),
    absolute('crowd of 1,000, the server grows by', 'MiB', (mostRss - before) / MIB, MAX_GROWTH_MIB),
    absolute('crowd of 1,000, stopped ones wrong after resuming', 'clients', wrongIdlers, 0),
    absolute('crowd of 1,000, all back after reconnecting', 'ms', backMs, 10_000),
    absolute('crowd of 1,000, wrong after reconnecting', 'clients', wrongBack, 0),
  ];
}

function absolute(name: string, unit: Figure['unit'], ours: number, bound: number): Figure {
  return { name, unit, ours, limit: null, score: ours, reach: noMoreThan(bound) };
}

function startClients(url: string, first: number, count: number, follows: Follows): Promise<Clients> {
  return startProgram<Crowd1000Clients>('./crowd-1000-clients.ts', url, `${first}`, `${count}`, follows);
}

async function startReaders(url: string): Promise<readonly Clients[]> {
  const each = READERS / READER_PROGRAMS;
  const readers: Clients[] = [];
  for (let program = 0; program < READER_PROGRAMS; program += 1) {
    readers.push(await startClients(url, program * each, each, 'a topic'));
  }
  return readers;
}

/** Waits until as many changes came as should. */
async function settle(readers: readonly Clients[], topics: readonly number[]): Promise<void> {
  const followers = Array<number>(TOPICS).fill(0);
  for (let number = 0; number < READERS; number += 1) followers[topicOf(number)]! += 1;
  const expected = topics.reduce((sum, topic) => sum + followers[topic]!, 0);
  const start = performance.now();
  while (performance.now() - start < MAX_SETTLING_MS) {
    const told = await Promise.all(readers.map((reader) => reader.ask('told')));
    if (told.reduce((sum, count) => sum + count, 0) >= expected) return;
    await setTimeout(LOOK_MS);
  }
}

/** Queries that were not told each commit that concerns them once, in order. */
function countMistold(reports: readonly ClientReport[], topics: readonly number[]): number {
  const byTopic = Array.from({ length: TOPICS }, (): number[] => []);
  for (const [index, topic] of topics.entries()) byTopic[topic]!.push(index + 1);
  return reports.filter(({ asked: [, [topic]], told }) => `${told}` !== `${byTopic[topic!]}`).length;
}

/** Clients that do not show what the server answers. */
async function countWrong(server: Program<CrowdServer>, programs: readonly Clients[]): Promise<number> {
  let wrong = 0;
  for (const program of programs) {
    const [shown, reports] = [await program.ask('shown'), await program.ask('reports')];
    const answers = await server.ask(
      'answers',
      reports.map(({ asked }) => asked),
    );
    wrong += shown.filter((rows, at) => JSON.stringify(rows) !== JSON.stringify(answers[at])).length;
  }
  return wrong;
}

/** Waits until all of a program's are right; how many are not, in the end. */
async function untilRight(server: Program<CrowdServer>, program: Clients): Promise<number> {
  const start = performance.now();
  for (;;) {
    const wrong = await countWrong(server, [program]);
    if (wrong === 0 || performance.now() - start > MAX_SETTLING_MS) return wrong;
    await setTimeout(LOOK_MS);
  }
}

/** Milliseconds until the last is whole again. */
async function reconnectAll(programs: readonly Clients[]): Promise<number> {
  const start = performance.now();
  await Promise.all(programs.map((program) => program.ask('reconnect', RECONNECT_WITHIN_MS)));
  return performance.now() - start;
}
