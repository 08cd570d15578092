// What inference calls share: the model, limits on what they hold, and the connections that they came over.

import type { ProtocolContext } from "../context.ts";
import type { BodyBudget } from "../http/body-budget.ts";
import type { Connections } from "./connections.ts";
import type { Slots } from "./slots.ts";
import type { UnsentAnswers } from "./unsent-answers.ts";

export interface CallOptions {
  readonly context: ProtocolContext;
  readonly connections: Connections;
  /** For the bytes of messages. */
  readonly budget: BodyBudget;
  readonly unsent: UnsentAnswers;
  /** For messages that are being decompressed: how large they will be shows only then. */
  readonly slots: Slots;
  readonly open: Set<OpenCall>;
  /** Milliseconds since 1970: deadlines of gRPC are in them. */
  readonly wallClock: () => number;
}

/** A call as the end of the server sees it. */
export interface OpenCall {
  /** Reads no more requests, and ends with its last answer. */
  finish(): void;
  /**
   * To be called now and then: ends if it has waited for too long for its client, which sends a request or takes an answer.
   *
   * @param impatient whether any such wait is too long
   */
  check(nowMs: number, impatient: boolean): void;
}
