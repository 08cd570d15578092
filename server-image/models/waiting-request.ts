// A request in the queue: what it counts for, how long it may wait, and who waits for its answer.

import type { Cancellation } from "../cancellation.ts";
import { type BatchPart, inputBytes, joinKey, rowsOf } from "./batch.ts";
import type { Queued } from "./request-queue.ts";
import type { InferenceRequest, InferenceResult } from "./served-model.ts";

export class WaitingRequest implements Queued, BatchPart {
  readonly request: InferenceRequest;
  readonly rows: number;
  readonly bytes: number;
  joinKey: string | undefined;
  readonly enqueuedAtMs: number;
  readonly expiresAtMs: number;
  readonly cancellation: Cancellation;
  hasRun = false;
  resolve!: (result: InferenceResult) => void;
  reject!: (error: unknown) => void;

  constructor(
    request: InferenceRequest,
    cancellation: Cancellation,
    { joinable, nowMs, timeoutMs }: { joinable: boolean; nowMs: number; timeoutMs: number },
  ) {
    const rows = joinable ? rowsOf(request) : undefined;
    this.request = request;
    this.cancellation = cancellation;
    this.rows = rows ?? 1;
    this.joinKey = rows === undefined ? undefined : joinKey(request);
    this.bytes = inputBytes(request);
    this.enqueuedAtMs = nowMs;
    this.expiresAtMs = nowMs + timeoutMs;
  }

  get priority(): number {
    return this.request.priority ?? 0;
  }
}
