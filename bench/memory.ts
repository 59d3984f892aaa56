/** What one open live query keeps in memory: 100,000 open, each with constants, a callback and an empty answer of its own. */
import { Node } from '../index.ts';
import type { Bench } from './bench.ts';
import { noMoreThan } from './figure.ts';
import { FORMS, Leg, legFor } from './forms.ts';
import { nativeMemory } from './native.ts';

const OPEN = 100_000;
const KIB = 1_024;

export const memory: Bench = {
  name: 'memory',
  run: async function* (say) {
    for (const form of FORMS) {
      say(`${form.name}, 100,000 open`);
      const ours = await memoryPerQuery(form.selection);
      const name = `memory per live query, ${form.name}`;
      yield { name, unit: 'KiB', ours, limit: null, score: ours, reach: noMoreThan(2) };
    }
  },
};

async function memoryPerQuery(selection: (typeof FORMS)[number]['selection']): Promise<number> {
  const node = await Node.open({ collections: [Leg], storage: nativeMemory() });
  await node.transact((tx) => tx.create(Leg, legFor(0)));
  // What is made once per shape or per process is not a query's own.
  for (const number of [0, 1]) await node.live(Leg, ...selection(number)).ready;
  const open: unknown[] = new Array(OPEN);
  const before = heldBytes();
  for (let number = 0; number < OPEN; number++) {
    const live = node.live(Leg, ...selection(number + 2));
    await live.ready;
    live.onChange(() => number);
    open[number] = live;
  }
  const bytes = heldBytes() - before;
  if (open.length !== OPEN) throw new Error('They are held until here.');
  await node.close();
  return bytes / OPEN / KIB;
}

/** Twice: what the first collection finalises, the second frees. */
function heldBytes(): number {
  if (!globalThis.gc) throw new Error('This bench needs node --expose-gc, as `npm run bench` says.');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
