/** The terminal: boards redrawn in place with a progress bar; plain lines where nobody watches. */
const BAR_WIDTH = 40;
/** Between two drawings, in milliseconds. */
const DRAW_INTERVAL_MS = 100;
/** The same where the output is not a terminal. */
const LINE_INTERVAL_MS = 5_000;

export class Screen {
  readonly #output: NodeJS.WriteStream;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  /** Draws at most ten times a second; `boards` is only called when it does. */
  progress(done: number, total: number, label: string, boards: () => string): void {
    const now = performance.now();
    const interval = this.#output.isTTY ? DRAW_INTERVAL_MS : LINE_INTERVAL_MS;
    if (now - this.#drawnAt < interval && done < total) return;
    this.#drawnAt = now;
    const line = `${bar(done / total)} ${done.toLocaleString('en')} / ${total.toLocaleString('en')} ${label}`;
    this.#output.write(this.#output.isTTY ? `\x1b[H\x1b[J${boards()}\n\n${line}\n` : `${line}\n`);
  }

  line(text: string): void {
    this.#output.write(`${text}\n`);
  }
}

function bar(share: number): string {
  const filled = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
}
