/** Told: an end of something, and those who wait until what it is told makes a condition true. */
export class Told {
  readonly #checks = new Set<() => void>();

  /** Resolves when `condition` holds, now or after something was told. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        this.#checks.delete(check);
        resolve();
      };
      this.#checks.add(check);
      check();
    });
  }

  protected told(): void {
    for (const check of [...this.#checks]) check();
  }
}
