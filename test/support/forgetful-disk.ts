/**
 * A disk in memory whose power can be cut: it remembers every change in order, so that one run shows every moment at which
 * the power could have gone, and what could then be left.
 *
 * The rule, as strict as POSIX allows: a write or a truncation survives for certain once its file was synced after it, a
 * name made or removed once its folder was. Whatever was not is lost, or, if a `Random` chooses, partly kept: each change
 * by itself, so out of order too, and a write by sectors of 512 bytes.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import type { FileSystem } from '../../storage/drivers/wasm-files.ts';
import type { Random } from './random.ts';

/** What is on a disk: files by path. */
export type Image = ReadonlyMap<string, Uint8Array>;

export interface ForgetfulDisk {
  /** For the driver. All its folders exist. */
  readonly files: FileSystem;
  /** How many changes and syncs there were; a moment is between two of them. */
  readonly moment: () => number;
  /** What a power cut leaves: now, or at an earlier moment. Without `random` nothing that was not synced. */
  readonly crashImage: (moment?: number, random?: Random) => Image;
  /** What is there while the power stays on. */
  readonly image: () => Image;
}

type Change =
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly file: number; readonly size: number }
  | { readonly kind: 'make' | 'remove'; readonly path: string; readonly file: number }
  | { readonly kind: 'sync'; readonly file: number }
  | { readonly kind: 'syncFolder'; readonly path: string };

const SECTOR = 512;

export function createForgetfulDisk(start: Image = new Map()): ForgetfulDisk {
  const disk = new Disk(start);
  return {
    files: createFiles(disk),
    moment: () => disk.changes.length,
    crashImage: (moment = disk.changes.length, random) => disk.after(moment, random),
    image: () => disk.now(),
  };
}

class Disk {
  readonly changes: Change[] = [];
  readonly #start: Image;
  readonly names = new Map<string, number>();
  readonly contents: Uint8Array[] = [];

  constructor(start: Image) {
    this.#start = start;
    for (const [path, bytes] of start) this.names.set(path, this.contents.push(bytes.slice()) - 1);
  }

  now(): Image {
    return new Map([...this.names].map(([path, file]) => [path, this.contents[file]!.slice()]));
  }

  change(change: Change): void {
    this.changes.push(change);
    if (change.kind === 'make') this.names.set(change.path, change.file);
    else if (change.kind === 'remove') this.names.delete(change.path);
    else if (change.kind !== 'sync' && change.kind !== 'syncFolder') apply(this.contents, change);
  }

  after(moment: number, random: Random | undefined): Image {
    const names = new Map<string, number>();
    const contents: Uint8Array[] = [];
    for (const [path, bytes] of this.#start) names.set(path, contents.push(bytes.slice()) - 1);
    const happened = this.changes.slice(0, moment);
    const synced = lastSyncs(happened);
    happened.forEach((change, index) => {
      const certain = index < (synced.get(keyOf(change)) ?? -1);
      if (change.kind === 'make') contents[change.file] ??= new Uint8Array(0);
      if (change.kind === 'make' || change.kind === 'remove') {
        if (!certain && random?.chance(0.5) !== true) return;
        if (change.kind === 'make') names.set(change.path, change.file);
        else names.delete(change.path);
      } else if (certain) apply(contents, change);
      else if (random !== undefined) applyPartly(contents, change, random);
    });
    return new Map([...names].map(([path, file]) => [path, contents[file]!]));
  }
}

/** For each file and folder, the place of its last sync. */
function lastSyncs(changes: readonly Change[]): ReadonlyMap<string | number, number> {
  const synced = new Map<string | number, number>();
  changes.forEach((change, index) => {
    if (change.kind === 'sync' || change.kind === 'syncFolder') synced.set(keyOf(change), index);
  });
  return synced;
}

/** The file or folder whose sync makes a change certain. */
function keyOf(change: Change): string | number {
  if (change.kind === 'syncFolder') return change.path;
  return change.kind === 'make' || change.kind === 'remove' ? dirname(change.path) : change.file;
}

function apply(contents: Uint8Array[], change: Change): void {
  if (change.kind === 'write') {
    resize(contents, change.file, Math.max(contents[change.file]!.length, change.at + change.bytes.length));
    contents[change.file]!.set(change.bytes, change.at);
  } else if (change.kind === 'truncate') resize(contents, change.file, change.size);
}

function applyPartly(contents: Uint8Array[], change: Change, random: Random): void {
  if (change.kind === 'truncate' && random.chance(0.5)) apply(contents, change);
  if (change.kind !== 'write') return;
  for (let from = 0; from < change.bytes.length; from += SECTOR) {
    const bytes = change.bytes.subarray(from, from + SECTOR);
    if (random.chance(0.5)) apply(contents, { ...change, at: change.at + from, bytes });
  }
}

function resize(contents: Uint8Array[], file: number, size: number): void {
  const old = contents[file]!;
  if (old.length === size) return;
  const bytes = new Uint8Array(size);
  bytes.set(old.subarray(0, size));
  contents[file] = bytes;
}

/** `node:fs` over the disk, as far as SQLite uses it. A descriptor is a file's number, or a folder's path behind it. */
function createFiles(disk: Disk): FileSystem {
  const opened: (number | string)[] = [];
  const fileOf = (descriptor: number): number => opened[descriptor] as number;
  const files = {
    constants: fs.constants,
    existsSync: (path: string) => disk.names.has(path),
    accessSync: (path: string) => {
      if (!disk.names.has(path)) throw missing(path);
    },
    openSync: (path: string, flags: number | string) => {
      if (flags === 'r') return opened.push(path) - 1;
      if (!disk.names.has(path)) {
        if ((Number(flags) & fs.constants.O_CREAT) === 0) throw missing(path);
        disk.change({ kind: 'make', path, file: disk.contents.push(new Uint8Array(0)) - 1 });
      }
      return opened.push(disk.names.get(path)!) - 1;
    },
    closeSync: () => {},
    fstatSync: (descriptor: number) => ({ size: disk.contents[fileOf(descriptor)]!.length }),
    readSync: (descriptor: number, into: Uint8Array, _: number, length: number, position: number | bigint) => {
      const from = Number(position);
      const bytes = disk.contents[fileOf(descriptor)]!.subarray(from, from + length);
      into.set(bytes);
      return bytes.length;
    },
    writeSync: (descriptor: number, bytes: Uint8Array, _: number, length: number, position: number) => {
      disk.change({ kind: 'write', file: fileOf(descriptor), at: position, bytes: bytes.slice(0, length) });
      return length;
    },
    ftruncateSync: (descriptor: number, size: number) => {
      disk.change({ kind: 'truncate', file: fileOf(descriptor), size });
    },
    fsyncSync: (descriptor: number) => {
      const target = opened[descriptor]!;
      disk.change(typeof target === 'string' ? { kind: 'syncFolder', path: target } : { kind: 'sync', file: target });
    },
    unlinkSync: (path: string) => {
      const file = disk.names.get(path);
      if (file === undefined) throw missing(path);
      disk.change({ kind: 'remove', path, file });
    },
  };
  return files as unknown as FileSystem;
}

function missing(path: string): Error {
  return Object.assign(new Error(`there is no ${path}`), { code: 'ENOENT' });
}
