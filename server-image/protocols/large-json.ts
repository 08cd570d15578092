// Decodes large JSON bodies on a thread of their own: here they would hold up all other requests for seconds.

import { Worker } from "node:worker_threads";

import { InferenceError, type InferenceErrorCode } from "../inference-error.ts";
import type { ModelMetadata } from "../models/metadata.ts";

const SCRIPT = new URL("./large-json-thread.ts", import.meta.url);

/** About 0.1 s of decoding, which is about what the start of a thread takes. */
const LARGE_BYTES = 8 * 1024 ** 2;

/** Which decoder: of V2, of TensorFlow Serving's predict, of its classify and regress. */
export type LargeJsonKind = "infer" | "predict" | "examples";

export interface LargeJson {
  readonly kind: LargeJsonKind;
  readonly body: Uint8Array;
  /** Of V2: as the header says it. */
  readonly headerLength?: string | string[] | undefined;
  readonly metadata: ModelMetadata;
}

export type LargeJsonOutcome =
  | { readonly decoded: unknown }
  | { readonly refused: { readonly code: InferenceErrorCode; readonly message: string } };

/** The decoding of each model's last large body: one at a time, since each takes many times its size in memory. */
const LAST = new WeakMap<ModelMetadata, Promise<unknown>>();

/** @param jsonBytes of the JSON part of a body */
export function isLargeJson(jsonBytes: number): boolean {
  return jsonBytes >= LARGE_BYTES;
}

/**
 * What the decoder of this kind gives. Rejects with its InferenceError. The body's memory is gone afterwards, where it had
 * memory of its own.
 */
export async function decodeLargeJson<T>(json: LargeJson): Promise<T> {
  const before = LAST.get(json.metadata) ?? Promise.resolve();
  const decoding = before.then(() => decode(json));
  LAST.set(
    json.metadata,
    decoding.catch(() => undefined),
  );
  return (await decoding) as T;
}

async function decode(json: LargeJson): Promise<unknown> {
  const { buffer, byteLength } = json.body;
  const transferList = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
  const worker = new Worker(SCRIPT, { workerData: json, transferList, name: "large-json" });
  const { promise, resolve, reject } = Promise.withResolvers<LargeJsonOutcome>();
  worker.once("message", resolve);
  worker.once("error", reject);
  worker.once("exit", () => reject(new Error("the thread that decodes a large body ended without a result")));
  const outcome = await promise;
  if ("refused" in outcome) {
    throw new InferenceError(outcome.refused.code, outcome.refused.message);
  }
  return outcome.decoded;
}
