// What inference requests of all REST protocols have in common: each is counted when it arrives and when it ends.

import type { Protocol } from "../../metrics.ts";
import type { ProtocolContext } from "../context.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";

/** nginx' status for a client that left before its answer; counted, never sent. */
export const CLIENT_GONE = 499;

type Counting = Pick<ProtocolContext, "metrics" | "clock">;

/** Counts an inference request that has arrived; what it returns goes to `endInference`. */
export function beginInference({ metrics, clock }: Counting, protocol: Protocol): number {
  metrics.requestReceived(protocol);
  return clock();
}

/** Counts the end of an inference request, once for each that began. */
export function endInference(
  { cancellation }: HttpRequest,
  { metrics, clock }: Counting,
  { protocol, arrivedAtMs, status }: { protocol: Protocol; arrivedAtMs: number; status: number },
): void {
  // A run cannot be cut off, so its answer may find nobody.
  const code = cancellation.cancelled ? CLIENT_GONE : status;
  metrics.requestEnded(protocol, code, (clock() - arrivedAtMs) / 1000);
}

/** @param answer must not reject: errors are answers too */
export async function countInference(
  request: HttpRequest,
  context: Counting,
  protocol: Protocol,
  answer: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const arrivedAtMs = beginInference(context, protocol);
  const result = await answer();
  endInference(request, context, { protocol, arrivedAtMs, status: result.status });
  return result;
}
