import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { sqliteFile } from '../../bindings/node/index.ts';
import { Node } from '../../index.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeMerging } from '../behaviours/merging.ts';
import { describeReads } from '../behaviours/reads.ts';
import { describeTransactions } from '../behaviours/transactions.ts';

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-behaviours-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const collections = [...COLLECTIONS];
const openInMemory = () => Node.open({ collections });
const openFile = () => Node.open({ collections, storage: sqliteFile(join(folder, `${files++}.db`)) });

for (const [kind, open] of [
  ['durable, in memory', openInMemory],
  ['durable, in a file', openFile],
] as const) {
  describeTransactions(kind, open);
  describeMerging(kind, open);
  describeReads(kind, open);
}
