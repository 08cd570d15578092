// One namespace that is watched, or all of them together: whether everything in it is known, and what waits until it is.

import { ApiError } from "../kube/errors.ts";
import type { Logger } from "../kube/types.ts";

/** What fills the caches. */
interface Source {
  readonly synced: Promise<void>;
}

/** Nothing of a namespace is acted upon before all its kinds are known: a missing child could be one not listed yet. */
export class WatchScope {
  /** Absent: all namespaces. */
  readonly namespace: string | undefined;
  readonly #enqueue: (key: string) => void;
  readonly #logger: Logger;
  readonly #settled = Promise.withResolvers<void>();
  #waiting: Set<string> | undefined = new Set();
  #refused = false;

  constructor(namespace: string | undefined, enqueue: (key: string) => void, logger: Logger) {
    this.namespace = namespace;
    this.#enqueue = enqueue;
    this.#logger = logger;
  }

  /** Every kind has been listed. */
  get hasSynced(): boolean {
    return this.#waiting === undefined;
  }

  /**
   * Resolves when it has synced, or, for one namespace of several, when the API server has refused it: permissions,
   * and the namespace itself, may come later, and the others shall not wait for them.
   */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  get hasSettled(): boolean {
    return this.hasSynced || this.#refused;
  }

  /** Passes the key on, or keeps it until the scope has synced. */
  enqueue(key: string): void {
    if (this.#waiting === undefined) this.#enqueue(key);
    else this.#waiting.add(key);
  }

  /** To be told of each failed list or watch. */
  failed(failure: unknown): void {
    if (this.namespace === undefined || this.hasSettled) return;
    if (!(failure instanceof ApiError && failure.status === 403)) return;
    this.#refused = true;
    this.#logger.warn(
      { err: failure, namespace: this.namespace },
      "the namespace cannot be read; it is waited for, and the others go on",
    );
    this.#settled.resolve();
  }

  /** Resolves when all of them have synced. To be called once; never rejects. */
  async follow(sources: readonly Source[]): Promise<void> {
    await Promise.all(sources.map((source) => source.synced));
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    if (this.namespace !== undefined) this.#logger.info({ namespace: this.namespace }, "namespace is watched");
    this.#settled.resolve();
    for (const key of waiting) this.#enqueue(key);
  }
}
