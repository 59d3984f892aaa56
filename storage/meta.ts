/** Meta: the few values that a file keeps of itself as a whole, by name. */
import type { SqliteDriver } from './driver.ts';

const NUMBER_BYTES = 8;

export function readMeta(driver: SqliteDriver, key: string): Uint8Array | null {
  return (driver.get('SELECT value FROM tendril_meta WHERE key = ?', [key])?.[0] as Uint8Array | undefined) ?? null;
}

/** Inside the caller's transaction. */
export function writeMeta(driver: SqliteDriver, key: string, value: Uint8Array): void {
  driver.run(
    'INSERT INTO tendril_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    [key, value],
  );
}

/** A whole number from 0 to 2^53-1, in 8 bytes, big-endian. */
export function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** null where the bytes are none. */
export function numberIn(bytes: Uint8Array): number | null {
  if (bytes.length !== NUMBER_BYTES) return null;
  const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(value);
}
