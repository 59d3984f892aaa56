/** A board process as the server's process sees it: started, told to rest, asked what it shows, gone. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BoardName, News, Order, Outcome } from './channel.ts';

const PROGRAM = fileURLToPath(new URL('board-process.ts', import.meta.url));

export class BoardHost {
  readonly name: BoardName;
  /** Its boards, as they were drawn last. */
  drawing = '';
  /** Rejects when the process ends before it was asked what it shows. */
  readonly failed: Promise<never>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<News['kind'], (news: News) => void>();

  /** Starts the process; `ready` tells when its boards are complete. */
  constructor(name: BoardName, url: string) {
    this.name = name;
    // `advanced`: a Date arrives as a Date.
    this.#child = fork(PROGRAM, [name, url], { serialization: 'advanced' });
    this.#child.on('message', (news) => this.#take(news as News));
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
    });
    this.failed = this.#exited.then(() => {
      throw new Error(`The process of the ${name} has ended.`);
    });
    this.failed.catch(() => undefined);
  }

  async ready(): Promise<void> {
    await this.#next('ready');
  }

  /** It writes nothing more, and the server has all that it wrote. Resolves with the number of its edits. */
  async rest(): Promise<number> {
    this.#order({ kind: 'rest' });
    return (await this.#next('resting')).edits;
  }

  /** What it shows now that nobody writes; then its process ends. */
  async show(): Promise<Outcome> {
    this.#order({ kind: 'show' });
    const { outcome } = await this.#next('shown');
    await this.#exited;
    return outcome;
  }

  /** Ends the process, whatever it does. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
  }

  #order(order: Order): void {
    if (this.#child.connected) this.#child.send(order);
  }

  #next<Kind extends News['kind']>(kind: Kind): Promise<Extract<News, { readonly kind: Kind }>> {
    const said = new Promise<News>((resolve) => {
      this.#waiting.set(kind, resolve);
    });
    return Promise.race([said as Promise<Extract<News, { readonly kind: Kind }>>, this.failed]);
  }

  #take(news: News): void {
    if (news.kind === 'drawn') this.drawing = news.text;
    this.#waiting.get(news.kind)?.(news);
  }
}
