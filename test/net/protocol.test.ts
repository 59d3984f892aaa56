/** The tables and examples of docs/protocol.md are what this version reads and writes. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createCodec } from '../../net/codec.ts';
import { createFrameReader, createFrameWriter, MAX_FRAME_BYTES } from '../../net/frames.ts';
import type { Message } from '../../net/messages.ts';
import type { EntityId, EpochId, NodeId, OperationId, Position } from '../../storage/index.ts';
import { GOOD, packed } from './hostile-frames.ts';
import { MESSAGE_KINDS } from './messages.ts';

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const codec = createCodec();

function example(name: string): Uint8Array {
  const [, found] = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(page) ?? [];
  if (found === undefined) expect.fail(`docs/protocol.md has no example of ${name}`);
  return Uint8Array.from(Buffer.from(found.replace(/\s/g, ''), 'hex'));
}

/** Each kind's code and the names of its fields in their order, as the page says. */
const written = [...page.matchAll(/^\| (\d+) \| (\w+) \|(.*)\|$/gm)].map(([, code, kind, fields = '']) => ({
  code: Number(code),
  kind,
  fields: [...fields.matchAll(/`(\w+)`/g)].map(([, name]) => name),
}));

/** The same, as the codec reads them. */
const read = GOOD.map((message) => {
  const [{ kind, ...fields }] = codec.decodeMessages(packed(message)) as [Message];
  return { code: message[0], kind, fields: Object.keys(fields) };
});

const byCode = (left: { code: unknown }, right: { code: unknown }) => Number(left.code) - Number(right.code);

test('the page lists every kind with its code, and its fields in their order', () => {
  expect([...written].sort(byCode)).toEqual([...read].sort(byCode));
  expect(written.map(({ kind }) => kind).sort()).toEqual([...MESSAGE_KINDS].sort());
});

describe('the examples of the page', () => {
  const node = '01JD5Q8R1V1A2B3C4D5E6F7G8H';
  const cases: readonly (readonly [string, readonly Message[]])[] = [
    [
      'hello',
      [
        {
          kind: 'hello',
          protocol: 2,
          node: node as NodeId,
          author: 'ana',
          system: null,
          credential: null,
          cursor: { epoch: '01JD5Q8R1W4Y6Z8B0C2D4E6F8G' as EpochId, position: 300 as Position },
        },
      ],
    ],
    [
      'step',
      [
        {
          kind: 'step',
          position: 300 as Position,
          parts: [
            {
              kind: 'items',
              collection: 'note',
              entity: node as EntityId,
              items: Uint8Array.of(0),
              head: ['01JD5Q8R1W4Y6Z8B0C2D4E6F8G' as OperationId],
            },
          ],
          edges: [],
          settled: null,
        },
        { kind: 'ping' },
      ],
    ],
  ];

  test.each(cases)('%s: is read and written so', (name, messages) => {
    const content = createFrameReader({ limit: () => MAX_FRAME_BYTES })(example(name));
    expect(codec.decodeMessages(content!)).toEqual(messages);
    expect(createFrameWriter()(messages.map(codec.encodeMessage))).toEqual([example(name)]);
  });
});
