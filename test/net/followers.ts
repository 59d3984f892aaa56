/** Followers for tests: one that keeps the protocol and records all it is told, and one that sends whatever it likes. */
import { WebSocket } from 'ws';
import type { Greeting, Request, Said, Upstream, UpstreamSession, Welcome } from '../../engine/index.ts';
import { systemClock } from '../../engine/ports/clock.ts';
import { createSystemRandom } from '../../engine/ports/random.ts';
import { type Scheduler, systemScheduler } from '../../engine/ports/scheduler.ts';
import type { TendrilError } from '../../errors.ts';
import { createCodec } from '../../net/codec.ts';
import { createFrameReader, createFrameWriter, MAX_FRAME_BYTES } from '../../net/frames.ts';
import { type Hello, type Message, PROTOCOL_VERSION } from '../../net/messages.ts';
import { WELCOME } from './fake-authority.ts';
import { Told } from './told.ts';

export const GREETING: Greeting = { node: WELCOME.node, author: 'ana', system: null, cursor: null };
export const HELLO: Hello = { kind: 'hello', protocol: PROTOCOL_VERSION, ...GREETING, credential: null };

export interface End {
  readonly reason: TendrilError;
  readonly final: boolean;
}

export class Follower extends Told {
  readonly welcomes: Welcome[] = [];
  /** What each frame held. */
  readonly frames: (readonly Said[])[] = [];
  readonly ends: End[] = [];
  readonly session: UpstreamSession;

  constructor(upstream: Upstream, greeting: Greeting = GREETING, scheduler: Scheduler = systemScheduler) {
    super();
    this.session = upstream.connect(
      greeting,
      {
        welcomed: (welcome) => {
          this.welcomes.push(welcome);
          this.told();
        },
        said: (messages) => {
          this.frames.push(messages);
          this.told();
        },
        ended: (reason, final) => {
          this.ends.push({ reason, final });
          this.told();
        },
      },
      { clock: systemClock, random: createSystemRandom(), scheduler },
    );
  }

  get said(): readonly Said[] {
    return this.frames.flat();
  }

  send(...requests: readonly Request[]): void {
    for (const request of requests) this.session.send(request);
  }

  async welcomed(): Promise<this> {
    await this.until(() => this.welcomes.length + this.ends.length > 0);
    return this;
  }

  async ended(): Promise<End> {
    await this.until(() => this.ends.length > 0);
    return this.ends[0]!;
  }
}

/** Speaks WebSocket properly, and over it anything. */
export class RawFollower extends Told {
  readonly messages: Message[] = [];
  isOpen = false;
  isClosed = false;
  closeCode = 0;
  readonly #codec = createCodec();
  readonly #write = createFrameWriter();
  readonly #read = createFrameReader({ limit: () => MAX_FRAME_BYTES });
  readonly socket: WebSocket;

  constructor(url: string) {
    super();
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('open', () => {
      this.isOpen = true;
      this.told();
    });
    this.socket.on('message', (bytes: Buffer) => {
      const content = this.#read(new Uint8Array(bytes));
      if (content !== null) this.messages.push(...this.#codec.decodeMessages(content));
      this.told();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', (code) => {
      this.closeCode = code;
      this.isClosed = true;
      this.told();
    });
  }

  async opened(): Promise<this> {
    await this.until(() => this.isOpen || this.isClosed);
    return this;
  }

  async closed(): Promise<this> {
    await this.until(() => this.isClosed);
    return this;
  }

  async got(count: number): Promise<readonly Message[]> {
    await this.until(() => this.messages.length >= count || this.isClosed);
    return this.messages;
  }

  /** In one frame. */
  send(...messages: readonly Message[]): void {
    for (const frame of this.frameOf(...messages)) this.socket.send(frame);
  }

  frameOf(...messages: readonly Message[]): readonly Uint8Array[] {
    return this.#write(messages.map((message) => this.#codec.encodeMessage(message)));
  }

  /** The code of the error that it was sent away with. */
  sentAwayWith(): string | undefined {
    const last = this.messages.at(-1);
    return last !== undefined && 'error' in last ? last.error?.code : undefined;
  }
}
