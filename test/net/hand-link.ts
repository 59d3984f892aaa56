/** A connector whose other end is the test's hand: what was sent is seen, what comes is told, and nothing drains by itself. */
import { createCodec } from '../../net/codec.ts';
import { createFrameReader, createFrameWriter, MAX_FRAME_BYTES } from '../../net/frames.ts';
import type { Connector, LinkEvents } from '../../net/link.ts';
import type { Message } from '../../net/messages.ts';

export class HandLink {
  readonly sent: Uint8Array[] = [];
  readonly closes: string[] = [];
  queued = 0;
  /** Whether what is sent has left at once. */
  isFree = true;
  events!: LinkEvents;
  readonly connector: Connector = {
    name: 'by hand',
    connect: (events) => {
      this.events = events;
      return {
        send: (frame) => {
          this.sent.push(frame);
          if (!this.isFree) this.queued += frame.length;
        },
        queued: () => this.queued,
        close: (reason) => this.closes.push(reason),
      };
    },
  };
  readonly #codec = createCodec();
  readonly #write = createFrameWriter();

  /** The other side sends it. */
  tell(...messages: readonly Message[]): void {
    const encoded = messages.map((message) => this.#codec.encodeMessage(message));
    for (const frame of this.#write(encoded)) this.events.frame(frame);
  }

  drain(bytes = this.queued): void {
    this.queued -= bytes;
    this.events.drained();
  }

  /** All that was sent, in whole messages. */
  messages(): readonly Message[] {
    const read = createFrameReader({ limit: () => MAX_FRAME_BYTES });
    return this.sent.flatMap((frame) => {
      const content = read(frame);
      return content === null ? [] : [...this.#codec.decodeMessages(content)];
    });
  }

  kinds(): readonly string[] {
    return this.messages().map(({ kind }) => kind);
  }
}
