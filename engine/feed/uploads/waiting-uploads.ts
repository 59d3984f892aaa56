/** Waiting uploads: what one session has uploaded and the commit queue has not come to yet; bounded. */
import { TendrilError } from '../../../errors.ts';
import { sizeOfPieces } from '../../write/prepared.ts';
import { tooManyHeld } from '../followed/held-ids.ts';
import { MAX_HELD_IDS, MAX_WAITING_BYTES, MAX_WAITING_UPLOADS } from '../limits.ts';
import type { UploadRequest } from './upload.ts';
import type { Load, UploadLoad } from './upload-load.ts';

export interface Waiting {
  readonly bytes: number;
  /** That the session will hold, at most: one for each operation. */
  readonly entities: number;
}

export class WaitingUploads implements Load {
  readonly #all: UploadLoad;
  #count = 0;
  #bytes = 0;
  #entities = 0;

  constructor(all: UploadLoad) {
    this.#all = all;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get entities(): number {
    return this.#entities;
  }

  /** - `part`: of what may wait. */
  isPast(part: number): boolean {
    return this.#count > MAX_WAITING_UPLOADS * part || this.#bytes > MAX_WAITING_BYTES * part;
  }

  /**
   * - `held`: ids that the session holds already.
   *
   * @throws {TendrilError} `limit-exceeded`: the session is to be ended, because nothing is known of the upload.
   */
  add({ operations }: UploadRequest, held: number): Waiting {
    const bytes = sizeOfPieces(operations);
    const entities = operations.length;
    if (this.#count >= MAX_WAITING_UPLOADS || this.#bytes + bytes > MAX_WAITING_BYTES) throw tooManyUploads();
    if (!this.#all.hasRoom(this, bytes)) throw tooManyOfAll();
    if (held + this.#entities + entities > MAX_HELD_IDS) throw tooManyHeld();
    this.#count += 1;
    this.#bytes += bytes;
    this.#entities += entities;
    this.#all.add(bytes);
    return { bytes, entities };
  }

  remove({ bytes, entities }: Waiting): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    this.#entities -= entities;
    this.#all.remove(bytes);
  }
}

function tooManyUploads(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A session has more than ${MAX_WAITING_UPLOADS} transactions or ${MAX_WAITING_BYTES} bytes waiting to be committed.`,
    remedy: 'Upload the next ones when outcomes have come.',
    facts: { transactions: MAX_WAITING_UPLOADS, bytes: MAX_WAITING_BYTES },
  });
}

function tooManyOfAll(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem:
      'More is waiting to be committed than the node takes of all its followers together, and too much of it is of this one.',
    remedy: 'Upload the next ones when outcomes have come, or try again later.',
    facts: {},
  });
}
