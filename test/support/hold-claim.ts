/** A process with nothing but a native driver's own claim on a file: `hold-claim.ts PATH DRIVER`, until it is killed. */
import { loadBetterSqlite3 } from '../../storage/drivers/better-sqlite3.ts';
import { loadNodeSqlite } from '../../storage/drivers/node-sqlite.ts';
import { claimWithSqlite } from '../../storage/drivers/ownership.ts';

const [path, name] = process.argv.slice(2) as [string, string];
claimWithSqlite(path, await (name === 'node:sqlite' ? loadNodeSqlite() : loadBetterSqlite3()));
process.stdout.write('claimed\n');
setInterval(() => {}, 1_000_000);
