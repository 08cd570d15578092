// What inference requests of all REST protocols have in common: each is counted when it arrives and when it ends.

import type { Protocol } from "../../metrics.ts";
import type { ProtocolContext } from "../context.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";

/** nginx' status for a client that left before its answer; counted, never sent. */
export const CLIENT_GONE = 499;

/** @param answer must not reject: errors are answers too */
export async function countInference(
  request: HttpRequest,
  { metrics, clock }: Pick<ProtocolContext, "metrics" | "clock">,
  protocol: Protocol,
  answer: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const arrivedAt = clock();
  metrics.requestReceived(protocol);
  const result = await answer();
  // A run cannot be cut off, so its answer may find nobody.
  const status = request.cancellation.cancelled ? CLIENT_GONE : result.status;
  metrics.requestEnded(protocol, status, (clock() - arrivedAt) / 1000);
  return result;
}
