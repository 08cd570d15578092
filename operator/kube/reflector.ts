// Keeps a store equal to what the API server has: list once, watch for ever, and come back from every kind of break.

import { backoffMs } from "./backoff.ts";
import { type Clock, systemClock, wait } from "./clock.ts";
import { AnswerTooLargeError, ApiError, ConnectionError, isExpired } from "./errors.ts";
import type { ReflectorMetrics } from "./metrics.ts";
import type { Store } from "./store.ts";
import { TimeSlices } from "./time-slices.ts";
import type { KubeClient, KubeObject, ListOptions, Logger, ResourceType } from "./types.ts";

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, "list" | "watch">;
  readonly type: ResourceType<T>;
  readonly store: Store<T>;
  readonly logger: Logger;
  /** Absent: all namespaces. Reflectors of several namespaces may fill one store. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly metrics?: ReflectorMetrics;
  /** Told of each failed list or watch, before the next try. */
  readonly onFailure?: (failure: unknown) => void;
  /** Makes what is kept smaller; see `transform.ts`. */
  readonly transform?: (object: T) => T;
  /** Objects per list request. Default 500. */
  readonly pageSize?: number;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const minWatchSeconds = 300;
const maxWatchSeconds = 600;
// A watch that ends sooner than this counts as a failure, however politely it ended: repeating it at once would flood the server.
const steadyWatchMs = 5_000;
const backoff = { baseMs: 1_000, maxMs: 30_000 };

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #synced = Promise.withResolvers<void>();
  readonly #logger: Logger;
  readonly #slices: TimeSlices;
  /** Which objects of the kind. */
  readonly #selection: Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector">;
  #hasSynced = false;
  #lastActivityMs: number;
  #resourceVersion: string | undefined;
  #pageSize: number;
  /** Breaks in a row without a steady watch between them. */
  #failures = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#slices = new TimeSlices({ clock: this.#clock });
    this.#random = options.random ?? Math.random;
    const { namespace, labelSelector, fieldSelector, type } = options;
    this.#selection = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    this.#logger = options.logger.child({ kind: type.kind, ...(namespace === undefined ? {} : { namespace }) });
    this.#lastActivityMs = this.#clock.nowMs();
    this.#pageSize = options.pageSize ?? 500;
  }

  /** True once the store has held a complete list. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves when `hasSynced` becomes true; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** When the API server was last heard, on the clock's scale: a list, an event, a bookmark, or a watch that ended in order. */
  get lastActivityMs(): number {
    return this.#lastActivityMs;
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delayMs = await this.#round(signal);
      if (delayMs > 0) await wait(this.#clock, delayMs, signal);
    }
  }

  /** One list if one is needed, then one watch until it ends. Returns how long to wait before the next round, in milliseconds. */
  async #round(signal: AbortSignal): Promise<number> {
    let watchingSinceMs: number | undefined;
    let failure: unknown;
    try {
      this.#resourceVersion ??= await this.#list(signal);
      watchingSinceMs = this.#clock.nowMs();
      await this.#watch(this.#resourceVersion, signal);
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return 0;
    const steady = watchingSinceMs !== undefined && this.#clock.nowMs() - watchingSinceMs >= steadyWatchMs;
    if (steady) this.#failures = 0;
    if (steady && failure === undefined) return 0;
    return this.#afterBreak(failure);
  }

  #afterBreak(failure: unknown): number {
    if (failure !== undefined) this.#options.onFailure?.(failure);
    if (needsRelist(failure)) this.#resourceVersion = undefined;
    if (failure instanceof AnswerTooLargeError) this.#pageSize = Math.max(1, Math.floor(this.#pageSize / 2));
    this.#failures += 1;
    // 410 after a steady watch is how a long cut ends; a list now, and only now, is what the server expects.
    const atOnce = isExpired(failure) && this.#failures === 1;
    const delayMs = atOnce ? 0 : backoffMs(this.#failures, { ...backoff, random: this.#random });
    const fields = { err: failure, failures: this.#failures, delaySeconds: delayMs / 1000 };
    if (failure === undefined) this.#logger.debug(fields, "watch ended soon after it began; it will be repeated");
    else this.#logger.warn(fields, "list or watch failed; it will be repeated");
    return delayMs;
  }

  /** Fills the store and returns the list's resource version. */
  async #list(signal: AbortSignal): Promise<string> {
    const { client, type, store, namespace, metrics } = this.#options;
    const startedMs = this.#clock.nowMs();
    metrics?.listBegun();
    const objects: T[] = [];
    let token: string | undefined;
    for (;;) {
      // No resource version is asked for: the answer is then never older than one seen before.
      const page = await client.list(type, {
        ...this.#selection,
        signal,
        limit: this.#pageSize,
        ...(token === undefined ? {} : { continue: token }),
      });
      for (const object of page.items) {
        objects.push(this.#transform(object));
        await this.#slices.pause();
      }
      this.#lastActivityMs = this.#clock.nowMs();
      token = page.metadata.continue || undefined;
      if (token === undefined) {
        store.replace(objects, namespace);
        metrics?.listed((this.#clock.nowMs() - startedMs) / 1000, objects.length);
        metrics?.reached(page.metadata.resourceVersion);
        this.#hasSynced = true;
        this.#synced.resolve();
        return page.metadata.resourceVersion;
      }
    }
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, type, store, metrics } = this.#options;
    const startedMs = this.#clock.nowMs();
    let received = 0;
    metrics?.watchBegun();
    const events = client.watch(type, {
      resourceVersion,
      // Spread, so that thousands of watches begun together do not end together.
      timeoutSeconds: Math.round(minWatchSeconds + this.#random() * (maxWatchSeconds - minWatchSeconds)),
      ...this.#selection,
      signal,
    });
    try {
      for await (const { type: change, object } of events) {
        if (signal.aborted) return;
        received += 1;
        this.#lastActivityMs = this.#clock.nowMs();
        if (change === "DELETED") store.delete(this.#transform(object));
        else if (change !== "BOOKMARK") store.set(this.#transform(object));
        // Advanced last: an event that could not be stored is asked for again.
        this.#resourceVersion = object.metadata?.resourceVersion ?? this.#resourceVersion;
        if (this.#resourceVersion !== undefined) metrics?.reached(this.#resourceVersion);
      }
    } finally {
      metrics?.watchEnded((this.#clock.nowMs() - startedMs) / 1000, received);
    }
    this.#lastActivityMs = this.#clock.nowMs();
  }

  #transform(object: T): T {
    return this.#options.transform?.(object) ?? object;
  }
}

/**
 * Whether the resource version may be of no use any more. After a cut connection, 429 and 503 it still is;
 * anything else the server says (410, 400, 504 "too large resource version" after a restored etcd) is cured by a list.
 */
function needsRelist(failure: unknown): boolean {
  if (failure === undefined || failure instanceof ConnectionError) return false;
  return !(failure instanceof ApiError && (failure.status === 429 || failure.status === 503));
}
