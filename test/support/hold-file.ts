/**
 * A process that owns a file: `hold-file.ts PATH DRIVER` opens it, says so on its output, and then commits numbered rows,
 * saying each number when it is committed, until it is killed.
 */
import { setImmediate } from 'node:timers/promises';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';
import { makeHeld } from './format.ts';

const [path, name] = process.argv.slice(2) as [string, FileDriverName];
const driver = await sqliteFile(path, { driver: name }).open();
if (driver.get('SELECT count(*) FROM sqlite_schema')?.[0] === 0) makeHeld(driver);
process.stdout.write('open\n');
for (;;) {
  const n = driver.transaction(() => {
    const next = Number(driver.get('SELECT ifnull(max(n), 0) + 1 FROM held')?.[0]);
    driver.run('INSERT INTO held VALUES (?, ?)', [BigInt(next), 'x'.repeat((next * 997) % 6_000)]);
    return next;
  });
  process.stdout.write(`${n}\n`);
  await setImmediate();
}
