/** Cable: what a board's process is connected with, and which can be pulled out: a TCP proxy on this machine. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Cable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #pulled = false;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (socket) => this.#join(socket));
  }

  /** - `url`: of the server that it leads to. */
  static async to(url: string): Promise<Cable> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Cable(server, new URL(url));
  }

  /** Where the board connects. */
  get url(): string {
    const { port } = this.#server.address() as { readonly port: number };
    return `ws://127.0.0.1:${port}`;
  }

  get isPulled(): boolean {
    return this.#pulled;
  }

  /** Nothing passes any more, in neither direction, and nobody is told. */
  pull(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  plug(): void {
    this.#pulled = false;
  }

  async close(): Promise<void> {
    this.pull();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(here: Socket): void {
    if (this.#pulled) {
      here.destroy();
      return;
    }
    const there = connect(Number(this.#target.port), '127.0.0.1');
    for (const [socket, other] of [
      [here, there],
      [there, here],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
