/** A program: clients that follow every note. Given: the server's address, and how many there are. */
import { Node, webSocket } from '../../index.ts';
import { nativeMemory } from '../native.ts';
import { Note, stateOf } from './crowd-note.ts';
import { offer } from './program.ts';

const [url, count] = process.argv.slice(2);
const idlers = await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const node = await Node.open({ collections: [Note], storage: nativeMemory(), upstream: webSocket(url!) });
    const live = node.live(Note);
    await live.ready;
    return { node, live };
  }),
);

const offered = {
  statuses: () => idlers.map(({ live }) => live.status),
  /** Of each, once it is whole again. */
  reconnect: () =>
    Promise.all(
      idlers.map(async ({ node, live }) => {
        await node.reconnect();
        while (live.status !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10));
        return live.rows.map(stateOf);
      }),
    ),
};
export type CrowdIdlers = typeof offered;

offer(offered, () => Promise.all(idlers.map(({ node }) => node.close())));
