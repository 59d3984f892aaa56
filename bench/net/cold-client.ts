/** A program: one fresh client of a server, in memory, that follows all flights. */
import { Node, webSocket } from '../../index.ts';
import { COLLECTIONS, Flight } from '../flights.ts';
import { nativeMemory } from '../native.ts';
import { offer } from './program.ts';

const KIB = 1_024;

const offered = {
  /** Resolves when all is there: how many rows, and the most memory this whole process had, before and ever, in MiB. */
  sync: async (url: string) => {
    const baseMib = process.resourceUsage().maxRSS / KIB;
    const node = await Node.open({ collections: COLLECTIONS, storage: nativeMemory(), upstream: webSocket(url) });
    const live = node.live(Flight);
    await live.ready;
    const rows = live.rows.length;
    await node.close();
    return { rows, baseMib, peakMib: process.resourceUsage().maxRSS / KIB };
  },
};
export type ColdClient = typeof offered;

offer(offered, () => {});
