/**
 * The memory of a SQLite compiled to WebAssembly: values go in and come out of it exactly.
 *
 * The packages' own conversions are not used: they lose what follows a NUL character, a leading byte order mark, and the
 * difference between 5 and 5.0.
 *
 * Invariants
 *   - a view of the memory is renewed when the memory has grown, which any call into SQLite may make it do;
 *   - what `place` wrote stays until the next `reserve`.
 */

import { sqliteFailure } from './failure.ts';

/** Characters up to which a loop over ASCII is faster than the encoder and the decoder (measured: 26 and 6). */
const ENCODE_LOOP = 26;
const DECODE_LOOP = 6;
/** Bytes kept for parameters between statements; larger ones are given back. */
const MAX_KEPT_SCRATCH = 1 << 20;
const MIN_SCRATCH = 1 << 10;

export class Heap {
  readonly #memory: WebAssembly.Memory;
  readonly #allocate: (bytes: number) => number;
  readonly #free: (pointer: number) => void;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #bytes: Uint8Array;
  #view: DataView;
  #scratch = 0;
  #capacity = 0;
  #end = 0;

  constructor(memory: WebAssembly.Memory, allocate: (bytes: number) => number, free: (pointer: number) => void) {
    this.#memory = memory;
    this.#allocate = allocate;
    this.#free = free;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** Makes room for parameters of `bytes` in all, and forgets those placed before. */
  reserve(bytes: number): void {
    if (bytes > this.#capacity || this.#capacity > MAX_KEPT_SCRATCH || this.#scratch === 0) {
      this.release();
      this.#capacity = Math.max(bytes, MIN_SCRATCH);
      this.#scratch = this.#allocate(this.#capacity);
      if (this.#scratch === 0) throw outOfMemory(bytes);
    }
    this.#end = this.#scratch;
  }

  /** Gives the room for parameters back. */
  release(): void {
    if (this.#scratch !== 0) this.#free(this.#scratch);
    this.#scratch = 0;
    this.#capacity = 0;
  }

  /** Copies a value into the reserved room; its place, and the next of it is its end. */
  place(value: string | Uint8Array): number {
    const at = this.#end;
    this.#end = at + (typeof value === 'string' ? this.#encode(value, at) : this.#copy(value, at));
    return at;
  }

  /** Places text as C has it, and room for two pointers beside it: their addresses. */
  placeWithPointers(text: string): readonly [text: number, pointers: number] {
    this.reserve(text.length * 3 + 24);
    const pointers = (this.#end + 7) & ~7;
    this.#end = pointers + 8;
    return [this.place(`${text}\0`), pointers];
  }

  /** Where the last placed value ends. */
  get end(): number {
    return this.#end;
  }

  text(pointer: number, length: number): string {
    const bytes = this.bytes();
    const end = pointer + length;
    if (length > DECODE_LOOP) return this.#decoder.decode(bytes.subarray(pointer, end));
    let text = '';
    for (let at = pointer; at < end; at += 1) {
      const byte = bytes[at]!;
      if (byte > 127) return this.#decoder.decode(bytes.subarray(pointer, end));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Text that ends at its first NUL, as C has it. */
  cText(pointer: number): string {
    return this.text(pointer, this.bytes().indexOf(0, pointer) - pointer);
  }

  blob(pointer: number, length: number): Uint8Array {
    return this.bytes().slice(pointer, pointer + length);
  }

  bytes(): Uint8Array {
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  view(): DataView {
    if (this.#view.buffer.byteLength === 0) this.#view = new DataView(this.#memory.buffer);
    return this.#view;
  }

  #encode(text: string, at: number): number {
    const bytes = this.bytes();
    const { length } = text;
    if (length > ENCODE_LOOP) return this.#encoder.encodeInto(text, bytes.subarray(at)).written;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 127) return this.#encoder.encodeInto(text, bytes.subarray(at)).written;
      bytes[at + index] = code;
    }
    return length;
  }

  #copy(blob: Uint8Array, at: number): number {
    this.bytes().set(blob, at);
    return blob.length;
  }
}

function outOfMemory(bytes: number): Error {
  const message = `out of memory, with ${bytes} bytes of parameters to bind`;
  return sqliteFailure({ code: 'SQLITE_NOMEM', message }, '');
}
