/**
 * Names: short texts that come again and again, as those of collections and properties do, are made once.
 *
 * A table of PLACES, in which one gives way to another of the same place: what is not found is made again, no more.
 */

/** Texts that are remembered at most: a power of two. */
export const NAME_PLACES = 512;
/** Bytes of the longest that is. */
export const MAX_NAME_REMEMBERED = 48;

export class Names {
  readonly #places: string[] = new Array<string>(NAME_PLACES).fill('');

  /** Null where it is not remembered. */
  find(bytes: Uint8Array, start: number, length: number): string | null {
    const name = this.#places[placeOf(bytes, start, length)]!;
    if (name.length !== length) return null;
    for (let at = 0; at < length; at += 1) if (name.charCodeAt(at) !== bytes[start + at]) return null;
    return name;
  }

  /** - `name`: what these bytes spell; of one that has a character of several bytes nothing is remembered. */
  remember(bytes: Uint8Array, start: number, length: number, name: string): void {
    if (length > MAX_NAME_REMEMBERED || name.length !== length) return;
    this.#places[placeOf(bytes, start, length)] = name;
  }
}

function placeOf(bytes: Uint8Array, start: number, length: number): number {
  if (length === 0) return 0;
  const [first, middle, last] = [bytes[start]!, bytes[start + (length >> 1)]!, bytes[start + length - 1]!];
  return (length * 37 + first * 11 + middle * 5 + last) & (NAME_PLACES - 1);
}
