/**
 * A board process: an ephemeral Node that follows the server and keeps the boards live. index.ts starts two of them: the
 * `hall`, which shows, and the `desk`, which also edits delays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Node, webSocket } from '../../index.ts';
import { BOARDS, drawBoard, openBoard } from './boards.ts';
import type { News, Order } from './channel.ts';
import { Airport, Flight } from './collections.ts';
import { Edits } from './edits.ts';
import { measureNews } from './latency.ts';

/** Between two drawings, in milliseconds. */
const DRAW_INTERVAL_MS = 100;
/** Between two looks at whether a session that has just begun has told what was missed, in milliseconds. */
const LOOK_INTERVAL_MS = 10;

const [name = '', url = ''] = process.argv.slice(2);
process.once('disconnect', () => process.exit());

const node = await Node.open({ collections: [Airport, Flight], upstream: webSocket(url), author: name });
const boards = BOARDS.map((board) => ({ board, live: openBoard(node, board) }));
await Promise.all(boards.map(({ live }) => live.ready));
const latencies: number[] = [];
for (const { live } of boards) measureNews(live, name, latencies);
const edits = name === 'desk' ? new Edits(node) : null;
setInterval(() => tell({ kind: 'drawn', text: draw() }), DRAW_INTERVAL_MS);
process.on('message', (order: Order) => void obey(order));
await tell({ kind: 'ready' });

async function obey({ kind }: Order): Promise<void> {
  switch (kind) {
    case 'rest': {
      const count = (await edits?.rest()) ?? 0;
      await allIsHere();
      await tell({ kind: 'resting', edits: count });
      return;
    }
    case 'show':
      await allIsHere();
      await tell({ kind: 'shown', outcome: { rows: boards.map(({ live }) => live.rows), latencies } });
      await node.close();
      process.disconnect();
  }
}

/**
 * This node does not hold all flights, so that the server counts them: after all that was written here, and its answer
 * comes after all that happened there before.
 */
async function allIsHere(): Promise<void> {
  // After a cut it comes back by itself, but takes its time.
  if (node.report().upstream?.state !== 'connected') await node.reconnect();
  while (boards.some(({ live }) => live.status !== 'complete')) await sleep(LOOK_INTERVAL_MS);
  await node.sql('SELECT count(*) AS flights FROM flight');
}

function draw(): string {
  return boards.map(({ board, live }) => drawBoard(board, live.rows)).join('\n\n');
}

function tell(news: News): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(news, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
  });
}
