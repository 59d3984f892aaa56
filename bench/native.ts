/** The native SQLite as a Node's storage: in a file, and in memory, where no fsync hides what else a write costs. */

import { sqliteFile } from '../bindings/node/index.ts';
import type { Storage } from '../storage/index.ts';

export const nativeMemory = (): Storage => sqliteFile(':memory:');
export const nativeFile = sqliteFile;
