/** A program: a durable Node with notes, served; it commits on its own, as often as it is told. Given: its file. */
import { setTimeout } from 'node:timers/promises';
import { serve } from '../../bindings/server/index.ts';
import { Node } from '../../index.ts';
import { createRandom } from '../../test/support/random.ts';
import { nativeFile } from '../native.ts';
import { BODY_CHARACTERS, NOTES_PER_TOPIC, Note, nowUs, stateOf, TOPICS } from './crowd-note.ts';
import { offer } from './program.ts';

const TICK_MS = 4;
/** As often as ticks, to look would be a sixth of what the process does while its clients' queues fill. */
const LOOK_MS = 20;
const SEED = 5;

const node = await Node.open({ collections: [Note], storage: nativeFile(process.argv[2]!) });
const server = await serve(node, { port: 0, access: 'open' });
const random = createRandom(SEED);
/** By topic. */
const notes: string[][] = [];
for (let topic = 0; topic < TOPICS; topic += 1) {
  const numbers = Array.from({ length: NOTES_PER_TOPIC }, (_, number) => number);
  const create = (weight: number) => ({ topic, weight, sequence: 0, sentUs: 0, body: '' });
  notes.push(await node.transact((tx) => numbers.map((number) => tx.create(Note, create(number)))));
}
let sequence = 0;
let mostQueued = 0;
let mostRss = 0;
let lookedAt = 0;

function look(): void {
  if (performance.now() - lookedAt < LOOK_MS) return;
  lookedAt = performance.now();
  mostQueued = Math.max(mostQueued, server.report().queuedBytes);
  mostRss = Math.max(mostRss, process.memoryUsage.rss());
}

/** Changes one note. Resolves with its topic. */
async function change(): Promise<number> {
  const topic = random.integer(TOPICS);
  const id = notes[topic]![random.integer(NOTES_PER_TOPIC)]!;
  sequence += 1;
  const body = `${sequence} `.padEnd(BODY_CHARACTERS, 'abcdefghij');
  const edits = { sequence, sentUs: nowUs(), body };
  await node.transact((tx) => tx.update(Note, id, edits));
  return topic;
}

const offered = {
  url: () => server.url,
  report: () => ({ ...server.report(), mostQueued, mostRss }),
  /** Of this process, in bytes, once nothing is kept that nobody needs. */
  rss: () => {
    globalThis.gc?.();
    mostRss = process.memoryUsage.rss();
    return mostRss;
  },
  /** The topic of each commit, in order. */
  commit: async (perSecond: number, seconds: number) => {
    const topics: Promise<number>[] = [];
    const start = performance.now();
    while (topics.length < perSecond * seconds) {
      const due = Math.min(((performance.now() - start) / 1_000) * perSecond, perSecond * seconds);
      while (topics.length < due) topics.push(change());
      look();
      await setTimeout(TICK_MS);
    }
    return Promise.all(topics);
  },
  answers: (asked: readonly (readonly [text: string, parameters: number[]])[]) =>
    Promise.all(asked.map(async ([text, parameters]) => (await node.query(Note, text, parameters)).map(stateOf))),
};
export type CrowdServer = typeof offered;

offer(offered, async () => {
  await server.close();
  await node.close();
});
