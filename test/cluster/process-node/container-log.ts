// A container's output: stamped lines in a file of bounded size, which readers can tail and follow.

import { appendFile, readFile, rename, rm } from "node:fs/promises";

export interface LogReadOptions {
  /** Only the last so many lines. */
  readonly tailLines?: number;
  /** Stops after so many bytes. */
  readonly limitBytes?: number;
  /** Keeps the time in front of each line, RFC 3339. */
  readonly timestamps?: boolean;
  /** Only lines that are not older than this time, in milliseconds since 1970. */
  readonly sinceMs?: number;
  /** Goes on with new lines until the container ends. */
  readonly follow?: boolean;
}

type Follower = (line: string | undefined) => void;

const maxLineLength = 16 * 1024;

/** Writes happen one after the other; at `maxBytes` the file is set aside as `PATH.1`, replacing the one before. */
export class ContainerLog {
  readonly #path: string;
  readonly #now: () => Date;
  readonly #maxBytes: number;
  readonly #partial = { stdout: "", stderr: "" };
  readonly #followers = new Set<Follower>();
  #pending: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  #bytes = 0;
  #closed = false;

  constructor(path: string, now: () => Date, maxBytes = 10 * 1024 * 1024) {
    this.#path = path;
    this.#now = now;
    this.#maxBytes = maxBytes;
  }

  append(stream: "stdout" | "stderr", text: string): void {
    const lines = (this.#partial[stream] + text).split("\n");
    let rest = lines.pop() ?? "";
    while (rest.length > maxLineLength) {
      lines.push(rest.slice(0, maxLineLength));
      rest = rest.slice(maxLineLength);
    }
    this.#partial[stream] = rest;
    for (const line of lines) this.#appendLine(line);
  }

  #appendLine(line: string): void {
    const stamped = `${this.#now().toISOString()} ${line}`;
    for (const follower of this.#followers) follower(stamped);
    this.#pending.push(stamped);
    if (this.#pending.length === 1) this.#writing = this.#writing.then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    for (let start = 0; start < lines.length; ) {
      const end = this.#endOfFit(lines, start);
      if (end > start) await this.#write(`${lines.slice(start, end).join("\n")}\n`);
      start = end;
      if (start < lines.length) await this.#rotate();
    }
  }

  /** The index after the last line that still fits into the file; an empty file takes a line of any length. */
  #endOfFit(lines: readonly string[], start: number): number {
    let bytes = this.#bytes;
    let end = start;
    while (end < lines.length) {
      bytes += Buffer.byteLength(lines[end] ?? "") + 1;
      if (bytes > this.#maxBytes && (end > start || this.#bytes > 0)) break;
      end += 1;
    }
    return end;
  }

  async #write(text: string): Promise<void> {
    await appendFile(this.#path, text);
    this.#bytes += Buffer.byteLength(text);
  }

  async #rotate(): Promise<void> {
    await rename(this.#path, `${this.#path}.1`);
    this.#bytes = 0;
  }

  /** The container has ended, and so do followers. A last line without a line end is kept. Resolves when all is in the file. */
  async close(): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#partial[stream] !== "") this.#appendLine(this.#partial[stream]);
      this.#partial[stream] = "";
    }
    this.#closed = true;
    for (const follower of this.#followers) follower(undefined);
    await this.#writing;
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.1`, { force: true });
  }

  /** Without time stamps and line ends, oldest first. */
  async lastLines(count: number): Promise<string[]> {
    let text = "";
    for await (const part of this.read({ tailLines: count })) text += part;
    return text.split("\n").slice(0, -1);
  }

  /** Lines with their line ends, oldest first. Cancelling the stream ends following. */
  read(options: LogReadOptions = {}): ReadableStream<string> {
    const selector = new LineSelector(options);
    let follower: Follower = () => {};
    let cancelled = false;
    return new ReadableStream<string>({
      start: async (controller) => {
        follower = (line) => {
          const text = line === undefined ? undefined : selector.next(line);
          if (text !== undefined && text !== "") controller.enqueue(text);
          if (text === undefined || selector.exhausted) {
            this.#followers.delete(follower);
            controller.close();
          }
        };
        const subscribed = await this.#snapshot(options.follow === true ? follower : undefined, (lines) => {
          if (cancelled) return false;
          const text = selector.start(lines);
          if (text !== "") controller.enqueue(text);
          return true;
        });
        if (!subscribed && !cancelled) controller.close();
      },
      cancel: () => {
        cancelled = true;
        this.#followers.delete(follower);
      },
    });
  }

  /**
   * Passes all lines so far to `use` and subscribes the follower between two writes, so that it misses and repeats nothing.
   * @param use returns whether the reader still wants lines
   * @returns whether the follower was subscribed
   */
  async #snapshot(follower: Follower | undefined, use: (lines: string[]) => boolean): Promise<boolean> {
    let subscribed = false;
    const step = this.#writing.then(async () => {
      const texts = await Promise.all([readIfThere(`${this.#path}.1`), readIfThere(this.#path)]);
      const wanted = use([...texts.join("").split("\n").slice(0, -1), ...this.#pending]);
      if (!wanted || follower === undefined || this.#closed) return;
      this.#followers.add(follower);
      subscribed = true;
    });
    this.#writing = step.catch(() => {});
    await step;
    return subscribed;
  }
}

/** Applies the options to lines that begin with their time. */
class LineSelector {
  readonly #options: LogReadOptions;
  #bytesLeft: number;

  constructor(options: LogReadOptions) {
    this.#options = options;
    this.#bytesLeft = options.limitBytes ?? Infinity;
  }

  get exhausted(): boolean {
    return this.#bytesLeft <= 0;
  }

  start(lines: readonly string[]): string {
    const { tailLines, sinceMs } = this.#options;
    const recent = sinceMs === undefined ? lines : lines.filter((line) => Date.parse(line.slice(0, 24)) >= sinceMs);
    const last = tailLines === undefined ? recent : recent.slice(Math.max(0, recent.length - tailLines));
    return last.map((line) => this.next(line)).join("");
  }

  next(line: string): string {
    if (this.exhausted) return "";
    const bytes = Buffer.from(`${this.#options.timestamps === true ? line : line.slice(25)}\n`);
    const cut = bytes.subarray(0, Math.min(bytes.length, this.#bytesLeft));
    this.#bytesLeft -= bytes.length;
    return cut.toString("utf8");
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
