/**
 * A process made to be killed: opens a durable node on a file and writes until somebody ends it.
 *
 * It tells what it does in lines of JSON on its standard output, each written before the next thing happens: a receipt
 * only after `transact` resolved, `seen` from inside a live query's callback.
 */
import { readSync, writeSync } from 'node:fs';
import { Node } from '../../index.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { createRandom } from '../support/random.ts';
import { Account, COLLECTIONS, Note } from './collections.ts';
import { fileStorage } from './storages.ts';
import type { Line, Order } from './victim-lines.ts';
import { Writer } from './writer.ts';

const PAGES_BETWEEN_CHECKPOINTS = 40;

const order = JSON.parse(process.argv[2]!) as Order;
const random = createRandom(order.seed);

const say = (line: Line) => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

say({ kind: 'ready' });
// Nothing to read means that nobody is there to kill it.
if (readSync(0, Buffer.alloc(1)) === 0) process.exit();
for (let life = 0; ; life += 1) {
  say({ kind: 'opening' });
  const node = await Node.open({ collections: COLLECTIONS, storage: { open } });
  say({ kind: 'open' });
  await live(node, life);
  say({ kind: 'closing' });
  await node.close();
}

async function open(): Promise<SqliteDriver> {
  const driver = await fileStorage(order.driver, order.file).open();
  if (order.phase === 'checkpointing') driver.all(`PRAGMA wal_autocheckpoint = ${PAGES_BETWEEN_CHECKPOINTS}`);
  return driver;
}

/** Until the node is to be closed; for ever where the order does not say so. */
async function live(node: Node, life: number): Promise<void> {
  for (const collection of [Account, Note]) {
    node.live(collection, 'stamp > 0 ORDER BY stamp DESC LIMIT 5').onChange(({ added, updated }) => {
      for (const { row } of [...added, ...updated]) say({ kind: 'seen', stamp: row.stamp });
    });
  }
  const writer = await Writer.open({
    node,
    random,
    firstStamp: order.firstStamp + life * 10_000,
    acknowledge: (receipt) => say({ kind: 'receipt', receipt }),
  });
  for (let steps = 1; ; steps += 1) {
    await writer.step();
    if (order.phase === 'backup' && steps % 4 === 0) await backUp(node, writer, steps);
    if (order.phase === 'closing' && steps === 4) return;
  }
}

/** With writes under way meanwhile. */
async function backUp(node: Node, writer: Writer, steps: number): Promise<void> {
  const file = `${order.file}-backup-${order.firstStamp}-${steps}`;
  say({ kind: 'backup', file });
  const backup = node.backup(file).then(() => say({ kind: 'backed-up', file }));
  await writer.step();
  await backup;
}
