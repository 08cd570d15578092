// What the demo tells the person who watches: each step, how long it usually takes, and how long it took.

export class Narrator {
  readonly #write: (text: string) => void;
  readonly #nowMs: () => number;
  readonly #startMs: number;

  /** @param nowMs a monotonic clock in milliseconds */
  constructor(write: (text: string) => void, nowMs: () => number) {
    this.#write = write;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  get elapsedSeconds(): number {
    return (this.#nowMs() - this.#startMs) / 1000;
  }

  line(text = ""): void {
    this.#write(`${text}\n`);
  }

  /** Several lines, set off from the margin. */
  block(text: string): void {
    for (const line of text.trimEnd().split("\n")) {
      this.line(`    ${line}`.trimEnd());
    }
  }

  /** Tells a step, does it, tells how long it took. */
  async step<T>(title: string, usually: string, work: () => Promise<T>): Promise<T> {
    this.line();
    this.line(`==> ${title} (usually ${usually})`);
    const startMs = this.#nowMs();
    const result = await work();
    this.line(`    done in ${((this.#nowMs() - startMs) / 1000).toFixed(1)} s`);
    return result;
  }
}
