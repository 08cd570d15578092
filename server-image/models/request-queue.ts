// The requests that wait: by priority, then in the order of arrival, any of them free to leave at once.

/** What the queue needs to know of a request. */
export interface Queued {
  /** Lower first; 0: after all others. */
  readonly priority: number;
  readonly rows: number;
  readonly bytes: number;
  /** Requests with equal keys may run together; undefined: only alone. */
  readonly joinKey: string | undefined;
  readonly expiresAtMs: number;
}

interface Level<T> {
  readonly rank: number;
  // A Set keeps the order of arrival and lets any request leave at once.
  readonly waiting: Set<T>;
}

export class RequestQueue<T extends Queued> {
  /** In the order of their ranks. Nearly always there is one. */
  readonly #levels: Level<T>[] = [];
  #length = 0;
  #rows = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(request: T): void {
    this.#levelOf(request).waiting.add(request);
    this.#count(request, 1);
  }

  /** False where it does not wait (any more). */
  remove(request: T): boolean {
    const removed = this.#levels.some(({ waiting }) => waiting.delete(request));
    if (removed) {
      this.#count(request, -1);
    }
    return removed;
  }

  /** The request whose turn it is. */
  peek(): T | undefined {
    for (const { waiting } of this.#levels) {
      for (const request of waiting) {
        return request;
      }
    }
    return undefined;
  }

  /** Rows of the requests ahead of a new one of this priority. */
  rowsAhead(priority: number): number {
    const rank = rankOf(priority);
    if (this.#levels.every((level) => level.rank <= rank)) {
      return this.#rows;
    }
    let rows = 0;
    for (const level of this.#levels) {
      for (const request of level.rank <= rank ? level.waiting : []) {
        rows += request.rows;
      }
    }
    return rows;
  }

  /**
   * Takes the request whose turn it is, and those after it that may run together with it, up to `maxRows` rows. A
   * request that is larger by itself runs alone.
   */
  takeBatch(maxRows: number): T[] {
    const first = this.peek();
    if (first === undefined) {
      return [];
    }
    const batch = [first];
    let rows = first.rows;
    this.remove(first);
    if (first.joinKey === undefined || rows >= maxRows) {
      return batch;
    }
    for (const request of this.#inOrder()) {
      if (request.joinKey === first.joinKey && rows + request.rows <= maxRows) {
        batch.push(request);
        rows += request.rows;
        this.remove(request);
        if (rows === maxRows) {
          break;
        }
      }
    }
    return batch;
  }

  /** Takes all that have waited too long. */
  takeExpired(nowMs: number): T[] {
    const expired = [...this.#inOrder()].filter(({ expiresAtMs }) => expiresAtMs <= nowMs);
    for (const request of expired) {
      this.remove(request);
    }
    return expired;
  }

  *#inOrder(): Generator<T> {
    for (const { waiting } of this.#levels) {
      yield* waiting;
    }
  }

  #levelOf({ priority }: T): Level<T> {
    const rank = rankOf(priority);
    const found = this.#levels.find((level) => level.rank === rank);
    if (found !== undefined) {
      return found;
    }
    // Levels that are empty make room, so that clients cannot pile them up.
    const kept = this.#levels.filter(({ waiting }) => waiting.size > 0);
    const level = { rank, waiting: new Set<T>() };
    this.#levels.splice(0, this.#levels.length, ...[...kept, level].toSorted((a, b) => a.rank - b.rank));
    return level;
  }

  #count({ rows, bytes }: T, sign: 1 | -1): void {
    this.#length += sign;
    this.#rows += sign * rows;
    this.#bytes += sign * bytes;
  }
}

function rankOf(priority: number): number {
  return priority === 0 ? Number.POSITIVE_INFINITY : priority;
}
