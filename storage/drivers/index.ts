/** Storage that only Node has: files, and what opens them. Everything that runs anywhere is in ../index.ts. */
export { backup } from './backup.ts';
export { BUSY_TIMEOUT_MS, type FileDriverName, type SqliteFileOptions, sqliteFile } from './sqlite-file.ts';
