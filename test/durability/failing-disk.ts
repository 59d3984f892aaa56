/**
 * A disk that fails at its nth call, under a real SQLite.
 *
 * Reading, writing, syncing, truncating and removing count as calls. What can be half done is a write.
 */
import type { FileSystem } from '../../storage/drivers/wasm-files.ts';
import type { ForgetfulDisk } from '../support/forgetful-disk.ts';

export interface DiskFault {
  /** The number of the call that fails: 1, 2, 3, ... */
  readonly at: number;
  /**
   * - `once`: that call does nothing and fails; later ones work.
   * - `half`: it does half of its work, where there is a half, and fails; later ones work.
   * - `after`: it does its work, and then reports a failure; later ones work.
   * - `on`: it fails, and so does every later one.
   */
  readonly mode: 'once' | 'half' | 'after' | 'on';
}

export interface FailingDisk {
  readonly disk: ForgetfulDisk;
  readonly calls: () => number;
}

export function failingDisk(sound: ForgetfulDisk, { at, mode }: DiskFault): FailingDisk {
  let calls = 0;
  const failing = <Given extends unknown[], Result>(
    work: (...given: Given) => Result,
    half: (...given: Given) => void = () => {},
  ) => {
    return (...given: Given): Result => {
      calls += 1;
      if (calls < at || (calls > at && mode !== 'on')) return work(...given);
      if (mode === 'after') work(...given);
      if (mode === 'half') half(...given);
      throw Object.assign(new Error('the disk fails on purpose'), { code: 'EIO' });
    };
  };
  const { readSync, writeSync, fsyncSync, ftruncateSync, unlinkSync } = sound.files as unknown as Calls;
  const files: Calls = {
    readSync: failing(readSync),
    writeSync: failing(writeSync, (file, bytes, offset, length, position) => {
      writeSync(file, bytes, offset, length >> 1, position);
    }),
    fsyncSync: failing(fsyncSync),
    ftruncateSync: failing(ftruncateSync),
    unlinkSync: failing(unlinkSync),
  };
  return { disk: { ...sound, files: { ...sound.files, ...files } as unknown as FileSystem }, calls: () => calls };
}

/** As SQLite calls them. */
interface Calls {
  readonly readSync: Transfer;
  readonly writeSync: Transfer;
  readonly fsyncSync: (file: number) => void;
  readonly ftruncateSync: (file: number, size: number) => void;
  readonly unlinkSync: (path: string) => void;
}

type Transfer = (file: number, bytes: Uint8Array, offset: number, length: number, position: number) => number;
