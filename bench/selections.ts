/**
 * A change with 100, 10,000 and 100,000 live selections open of which one matches, beside the same change with that one
 * alone: two Nodes over native SQLite in memory, the same awaited update (of a property that no selection reads) on each.
 */
import { Node } from '../index.ts';
import type { Bench } from './bench.ts';
import { atMost } from './figure.ts';
import { FORMS, type Form, Leg, legFor } from './forms.ts';
import { duel, type Side, typicalMilliseconds } from './measure.ts';
import { nativeMemory } from './native.ts';

const SIZES = [100, 10_000, 100_000];
const UPDATES = 100;

export const selections: Bench = {
  name: 'selections',
  run: async function* (say) {
    for (const form of FORMS) {
      const [one, many] = [await openCrowd(), await openCrowd()];
      await one.grow(form, 1);
      for (const size of SIZES) {
        const count = size.toLocaleString('en');
        say(`${form.name}, ${count} open`);
        await many.grow(form, size);
        yield await duel({
          ...{ name: `a change, ${count} open, ${form.name}`, unit: 'µs', reach: atMost(1.5), rounds: 15, warmUp: 3 },
          ours: many.change,
          limit: one.change,
        });
        many.requireSame(one);
      }
      await Promise.all([one.close(), many.close()]);
    }
  },
};

interface Crowd {
  /** Opens further selections, up to `size`. */
  readonly grow: (form: Form, size: number) => Promise<void>;
  readonly change: Side;
  readonly callbacks: () => number;
  /** @throws where the other's callbacks were not called as often. */
  readonly requireSame: (other: Crowd) => void;
  readonly close: () => Promise<void>;
}

async function openCrowd(): Promise<Crowd> {
  const node = await Node.open({ collections: [Leg], storage: nativeMemory() });
  const id = await node.transact((tx) => tx.create(Leg, legFor(0)));
  let open = 0;
  let callbacks = 0;
  let changes = 0;
  const crowd: Crowd = {
    grow: async (form, size) => {
      for (; open < size; open++) {
        const live = node.live(Leg, ...form.selection(open));
        await live.ready;
        live.onChange(() => {
          callbacks += 1;
        });
      }
    },
    change: async () => {
      const destinations = Array.from({ length: UPDATES }, () => `D${++changes}`);
      const change = (destination: string) => node.transact((tx) => tx.update(Leg, id, { destination }));
      return 1_000 * (await typicalMilliseconds(destinations, change));
    },
    callbacks: () => callbacks,
    requireSame: (other) => {
      if (callbacks === other.callbacks()) return;
      throw new Error(`${callbacks} callbacks beside ${other.callbacks()}: more or fewer selections than one match`);
    },
    close: () => node.close(),
  };
  return crowd;
}
