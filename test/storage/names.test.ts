import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../storage/encoding.ts';
import { MAX_NAME_REMEMBERED, NAME_PLACES, Names } from '../../storage/names.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const LIMIT = 1_000;
const encoder = new TextEncoder();

function written(text: string): Uint8Array {
  const writer = new ByteWriter();
  writer.text(text);
  return writer.take();
}

test('a name is the text that its bytes spell, whatever was read before it', () => {
  const random = createRandom(seedFor('names'));
  const letters = ['a', 'b', 'z', '_', '\u007f', 'é', '漢', '😀'];
  for (let run = 0; run < runs(20_000); run += 1) {
    const length = random.chance(0.1) ? random.integer(60) : random.integer(6);
    const few = random.chance(0.7) ? 4 : letters.length;
    const text = Array.from({ length }, () => letters[random.integer(few)]!).join('');
    const bytes = written(text);
    const [reader, other] = [new ByteReader(bytes), new ByteReader(bytes)];
    expect([reader.name(LIMIT), reader.offset]).toEqual([text, bytes.length]);
    expect([other.text(LIMIT), other.offset]).toEqual([text, bytes.length]);
  }
});

test('what is no text is refused also where a name of such bytes was read', () => {
  new ByteReader(written('abc')).name(LIMIT);
  const bytes = written('abc');
  for (const [at, wrong] of [
    [1, 0],
    [2, 0xff],
    [3, 0xe1],
  ] as const) {
    const changed = bytes.slice();
    changed[at] = wrong;
    expect(() => new ByteReader(changed).name(LIMIT)).toThrow(/U\+0000|UTF-8/);
  }
  expect(() => new ByteReader(bytes).name(2)).toThrow('more than 2');
});

describe('names that are remembered', () => {
  const find = (names: Names, text: string) => {
    const bytes = encoder.encode(text);
    return names.find(bytes, 0, bytes.length);
  };
  const remember = (names: Names, text: string) => {
    const bytes = encoder.encode(text);
    names.remember(bytes, 0, bytes.length, text);
  };

  test(`have ${MAX_NAME_REMEMBERED} bytes at most`, () => {
    const names = new Names();
    const [longest, longer] = ['x'.repeat(MAX_NAME_REMEMBERED), 'x'.repeat(MAX_NAME_REMEMBERED + 1)];
    remember(names, longest);
    remember(names, longer);
    expect([find(names, longest), find(names, longer)]).toEqual([longest, null]);
  });

  test(`are ${NAME_PLACES} at most: one gives way to another`, () => {
    const names = new Names();
    const all = Array.from({ length: NAME_PLACES * 2 }, (_, at) => `name ${at}`);
    for (const each of all) remember(names, each);
    const found = all.filter((each) => find(names, each) === each);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(NAME_PLACES);
  });
});
