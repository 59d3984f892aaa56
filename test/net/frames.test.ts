import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCodec, MAX_FRAME_MESSAGES } from '../../net/codec.ts';
import { createFrameReader, createFrameWriter, MAX_FRAME_BYTES, MAX_GREETING_FRAME_BYTES } from '../../net/frames.ts';
import { MAX_MESSAGE_BYTES } from '../../net/wire/message-field.ts';
import { failureOf } from '../support/failure.ts';
import { runs, seedFor } from '../support/random.ts';

const CONTENT_BYTES = MAX_FRAME_BYTES - 1;
const open = { limit: () => MAX_FRAME_BYTES };

function bytes(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

function framed(first: number, length: number): Uint8Array {
  const frame = bytes(length);
  frame[0] = first;
  return frame;
}

/** What a reader makes of the frames, one after the other. */
function contentsOf(frames: readonly Uint8Array[]): Uint8Array[] {
  const read = createFrameReader(open);
  return frames.map(read).filter((content) => content !== null);
}

describe('writing', () => {
  test('the messages of one turn leave in one frame, in their order', () => {
    const frames = createFrameWriter()([Uint8Array.of(5), Uint8Array.of(6, 7)]);
    expect(frames).toEqual([Uint8Array.of(0, 5, 6, 7)]);
  });

  test('a turn that said nothing makes no frame', () => {
    expect(createFrameWriter()([])).toEqual([]);
  });

  test('messages that fill a frame to its last byte share it; one byte more begins another', () => {
    const write = createFrameWriter();
    expect(write([bytes(CONTENT_BYTES - 1), bytes(1)]).map((frame) => frame.length)).toEqual([MAX_FRAME_BYTES]);
    expect(write([bytes(CONTENT_BYTES - 1), bytes(2)]).map((frame) => frame.length)).toEqual([MAX_FRAME_BYTES - 1, 3]);
  });

  test(`a frame takes ${MAX_FRAME_MESSAGES} messages, one more begins another`, () => {
    const messages = Array.from({ length: MAX_FRAME_MESSAGES + 1 }, () => bytes(2));
    const write = createFrameWriter();
    expect(write(messages.slice(1))).toHaveLength(1);
    expect(write(messages).map((frame) => frame.length)).toEqual([1 + 2 * MAX_FRAME_MESSAGES, 3]);
  });

  test('a message that fits a frame is whole, one of a byte more is in parts, with no other message in them', () => {
    const write = createFrameWriter();
    expect(write([bytes(CONTENT_BYTES)]).map((frame) => [frame[0], frame.length])).toEqual([[0, MAX_FRAME_BYTES]]);
    const frames = write([bytes(3), bytes(CONTENT_BYTES + 1), bytes(4)]);
    expect(frames.map((frame) => [frame[0], frame.length])).toEqual([
      [0, 4],
      [1, MAX_FRAME_BYTES],
      [2, 2],
      [0, 5],
    ]);
  });

  test('the same turn of 1,000 sessions is one buffer, whether of one message or of several', () => {
    const write = createFrameWriter();
    const [step, other] = [bytes(100), bytes(200, 2)];
    const [alone] = write([step]);
    for (let session = 0; session < 1_000; session += 1) expect(write([step])[0]).toBe(alone);
    const [both] = write([step, other]);
    for (let session = 0; session < 1_000; session += 1) expect(write([step, other])[0]).toBe(both);
    expect(write([other, step])[0]).not.toBe(both);
    expect(write([step])).toEqual([framed(0, 101)]);
  });

  test('a turn that grows after it was framed is framed anew', () => {
    const write = createFrameWriter();
    const turn = [bytes(1)];
    write(turn);
    turn.push(bytes(1));
    expect(write(turn)).toEqual([framed(0, 3)]);
  });
});

describe('reading', () => {
  const seed = seedFor('frames');

  test('gives the messages that were written, whatever their sizes', () => {
    const size = fc.oneof(fc.nat(300), fc.nat(CONTENT_BYTES * 3), fc.constantFrom(CONTENT_BYTES, CONTENT_BYTES + 1));
    fc.assert(
      fc.property(
        fc.array(
          size.map((length) => bytes(length + 1, length % 251)),
          { maxLength: 5 },
        ),
        (messages) => {
          const frames = createFrameWriter()(messages);
          for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
          expect(Buffer.concat(contentsOf(frames)).equals(Buffer.concat(messages))).toBe(true);
        },
      ),
      { seed, numRuns: runs(300) },
    );
  });

  test('keeps the bounds of messages: what it gives always ends with one', () => {
    const codec = createCodec();
    const operations = Array.from({ length: 4 }, () => bytes(500_000));
    const upload = { kind: 'upload', transaction: '0'.repeat(26) as never, attempt: 1, operations } as const;
    const messages = [{ kind: 'ping' }, upload, { kind: 'pong' }] as const;
    const contents = contentsOf(createFrameWriter()(messages.map(codec.encodeMessage)));
    expect(contents.flatMap((content) => codec.decodeMessages(content)).map(({ kind }) => kind)).toEqual([
      'ping',
      'upload',
      'pong',
    ]);
  });

  test.each([
    ['no bytes', [new Uint8Array(0)]],
    ['a header alone', [framed(0, 1)]],
    ['an unknown header', [framed(3, 9)]],
    ['another unknown header', [framed(255, 9)]],
    ['a last part without a first', [framed(2, 9)]],
    ['a part that is not full', [framed(1, MAX_FRAME_BYTES - 1)]],
    ['a small part', [framed(1, 2)]],
    ['a whole frame between parts', [framed(1, MAX_FRAME_BYTES), framed(0, 9)]],
  ])('refuses %s', (_, frames) => {
    expect(failureOf(() => contentsOf(frames)).code).toBe('protocol-violation');
  });

  test('takes a frame at its limit, and none of a byte more', () => {
    for (const limit of [MAX_GREETING_FRAME_BYTES, MAX_FRAME_BYTES]) {
      expect(createFrameReader({ limit: () => limit })(framed(0, limit))).toHaveLength(limit - 1);
      const error = failureOf(() => createFrameReader({ limit: () => limit })(framed(0, limit + 1)));
      expect(error).toMatchObject({ code: 'limit-exceeded', facts: { bytes: limit + 1, limit } });
    }
  });

  test('asks for its limit at each frame, so that a peer may say more once it is known', () => {
    let limit = MAX_GREETING_FRAME_BYTES;
    const read = createFrameReader({ limit: () => limit });
    read(framed(0, MAX_GREETING_FRAME_BYTES));
    limit = MAX_FRAME_BYTES;
    expect(read(framed(0, MAX_FRAME_BYTES))).toHaveLength(CONTENT_BYTES);
  });

  test('takes no parts before the peer is known: none is small enough', () => {
    const read = createFrameReader({ limit: () => MAX_GREETING_FRAME_BYTES });
    expect(failureOf(() => read(framed(1, MAX_GREETING_FRAME_BYTES))).code).toBe('protocol-violation');
    expect(failureOf(() => read(framed(1, MAX_FRAME_BYTES))).code).toBe('limit-exceeded');
  });

  test(`joins ${MAX_MESSAGE_BYTES} bytes of parts, and keeps no byte more`, () => {
    const full = Math.floor(MAX_MESSAGE_BYTES / CONTENT_BYTES);
    const rest = MAX_MESSAGE_BYTES - full * CONTENT_BYTES;
    const parts = Array.from({ length: full }, () => framed(1, MAX_FRAME_BYTES));

    expect(contentsOf([...parts, framed(2, 1 + rest)])[0]).toHaveLength(MAX_MESSAGE_BYTES);
    for (const last of [framed(2, 2 + rest), framed(1, MAX_FRAME_BYTES)]) {
      expect(failureOf(() => contentsOf([...parts, last]))).toMatchObject({
        code: 'limit-exceeded',
        facts: { limit: MAX_MESSAGE_BYTES },
      });
    }
  });
});
