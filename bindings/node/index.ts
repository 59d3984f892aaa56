/** Tendril in a Node process: storage in files. */
export { type FileDriverName, type SqliteFileOptions, sqliteFile } from '../../storage/drivers/index.ts';
