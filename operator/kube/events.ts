// Records events for people to see with `kubectl describe`: aggregated, within a budget, and never in the way.

import type { Event } from "kubernetes-types/events/v1.js";
import { hashOf } from "./canonical-json.ts";
import { type Clock, systemClock } from "./clock.ts";
import { isNotFound } from "./errors.ts";
import { microTime } from "./micro-time.ts";
import { events } from "./resource-types.ts";
import type { KubeClient, KubeObject, Logger } from "./types.ts";

export interface EventDetails {
  readonly type: "Normal" | "Warning";
  /** One CamelCase word, from a catalogue. */
  readonly reason: string;
  /** What was done about it, one CamelCase word. */
  readonly action: string;
  /** For people; cut at 1024 bytes. The same text is counted as one event, so leave out what changes each time. */
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, "create" | "patch">;
  /** Name of the program, such as `plimsoll.dev/operator`; also the field manager. */
  readonly reportingController: string;
  /** Name of the pod or the host. */
  readonly reportingInstance: string;
  readonly logger: Logger;
  /** Ends writing; later events are dropped. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly now?: () => Date;
}

/** An event written before: repeated, it is counted instead of written again. */
interface Series {
  readonly name: string;
  count: number;
  writtenMs: number;
  seenMs: number;
}

interface Pending {
  readonly regarding: KubeObject;
  readonly details: EventDetails;
  readonly at: Date;
}

const maxPending = 1_000;
const maxSeries = 4_096;
/** Events farther apart than this are two, not a series. */
const seriesMs = 10 * 60_000;
const seriesWriteMs = 60_000;
/** Per object: so many at once, then one per five minutes, as kubelet and controllers do. */
const burst = 25;
const refillMs = 5 * 60_000;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #pending: Pending[] = [];
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, { tokens: number; atMs: number }>();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Returns at once; the event is written later, or dropped when too many wait. */
  record(regarding: KubeObject, details: EventDetails): void {
    const { signal, logger, now } = this.#options;
    if (signal.aborted) return;
    if (this.#pending.length >= maxPending) {
      logger.debug({ reason: details.reason }, "event dropped: too many wait to be written");
      return;
    }
    this.#pending.push({ regarding, details, at: now?.() ?? new Date() });
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything recorded so far is written or dropped. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    // The first turn of the event loop goes to whoever records: record() never waits for a request to be made.
    await Promise.resolve();
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      if (this.#options.signal.aborted) continue;
      try {
        await this.#write(next);
      } catch (error) {
        this.#options.logger.debug({ err: error, reason: next.details.reason }, "event could not be written");
      }
    }
    this.#writing = undefined;
  }

  async #write(pending: Pending): Promise<void> {
    const { regarding, details } = pending;
    const nowMs = this.#clock.nowMs();
    const key = hashOf([regarding.metadata?.uid, details]);
    const series = this.#series.get(key);
    if (series !== undefined && nowMs - series.seenMs < seriesMs) {
      series.count += 1;
      series.seenMs = nowMs;
      if (nowMs - series.writtenMs < seriesWriteMs) return;
      series.writtenMs = nowMs;
      if (await this.#writeSeries(pending, series)) return;
    }
    if (!this.#spend(regarding.metadata?.uid ?? "", nowMs)) return;
    const event = this.#makeEvent(pending, key);
    remember(this.#series, key, { name: event.metadata?.name ?? "", count: 1, writtenMs: nowMs, seenMs: nowMs });
    const { client, reportingController, signal } = this.#options;
    await client.create(events, event, { fieldManager: reportingController, signal });
  }

  /** False when the event is gone by now: the API server forgets events after an hour. */
  async #writeSeries({ regarding, at }: Pending, { name, count }: Series): Promise<boolean> {
    const { client, reportingController, signal } = this.#options;
    const ref = { namespace: namespaceOf(regarding), name };
    const series = { count, lastObservedTime: microTime(at) };
    try {
      await client.patch(events, ref, { series }, { fieldManager: reportingController, signal });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #makeEvent({ regarding, details, at }: Pending, key: string): Event {
    const { apiVersion = "", kind = "", metadata = {} } = regarding;
    const { name = "", namespace, uid, resourceVersion } = metadata;
    return {
      // The time keeps a second series of the same event from colliding with the first.
      metadata: {
        name: `${name.slice(0, 200).replace(/[.-]+$/, "")}.${hashOf([key, at]).slice(0, 16)}`,
        namespace: namespaceOf(regarding),
      },
      eventTime: microTime(at),
      reportingController: this.#options.reportingController,
      reportingInstance: this.#options.reportingInstance.slice(0, 128),
      action: details.action,
      reason: details.reason,
      type: details.type,
      note: cutBytes(details.message, 1024),
      regarding: {
        apiVersion,
        kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    };
  }

  #spend(uid: string, nowMs: number): boolean {
    const before = this.#budgets.get(uid) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, before.tokens + (nowMs - before.atMs) / refillMs);
    remember(this.#budgets, uid, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: nowMs });
    return tokens >= 1;
  }
}

/** Keeps the newest `maxSeries` entries. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > maxSeries && !oldest.done) map.delete(oldest.value);
}

/** Events about cluster-scoped objects live in `default`. */
function namespaceOf(object: KubeObject): string {
  return object.metadata?.namespace ?? "default";
}

/** The longest beginning of `text` that takes at most `maxBytes` in UTF-8. */
function cutBytes(text: string, maxBytes: number): string {
  // A character that was cut in two decodes to U+FFFD.
  return Buffer.from(text)
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD+$/, "");
}
