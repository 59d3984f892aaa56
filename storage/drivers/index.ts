/** Storage that only Node has: files, and what opens them. Everything that runs anywhere is in ../index.ts. */
export { backup } from './backup.ts';
export type { FileDriverName } from './choose.ts';
export { type SqliteFileOptions, sqliteFile } from './sqlite-file.ts';
