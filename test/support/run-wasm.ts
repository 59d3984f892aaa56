/** Runs the WebAssembly drivers named as arguments until their code is optimised: a signal ends it where that is not safe. */
import type { DriverName } from '../../storage/driver.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import { sqliteFile } from '../../storage/drivers/sqlite-file.ts';

for (const name of process.argv.slice(2) as DriverName[]) {
  const driver = await (name === 'sql.js' ? memory() : sqliteFile(':memory:', { driver: 'node-sqlite3-wasm' })).open();
  driver.exec('CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, x REAL, body TEXT) WITHOUT ROWID');
  driver.transaction(() => {
    for (let row = 0; row < 60_000; row += 1) {
      const id = `row-${String(row).padStart(12, '0')}`;
      driver.run('INSERT INTO t VALUES (?, ?, ?, ?)', [id, row % 5 === 0 ? null : BigInt(row), row / 7, 'body']);
    }
  });
  driver.all('SELECT * FROM t');
}
process.stdout.write('survived');
