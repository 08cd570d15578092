// What inference calls share: the model, limits on what they hold, and the connections that they came over.

import type { ProtocolContext } from "../context.ts";
import type { BodyBudget } from "../http/body-budget.ts";
import type { Connections } from "./connections.ts";
import type { Slots } from "./slots.ts";

export interface CallOptions {
  readonly context: ProtocolContext;
  readonly connections: Connections;
  /** For the bytes of messages. */
  readonly budget: BodyBudget;
  /** For messages that are being decompressed: how large they will be shows only then. */
  readonly slots: Slots;
  /** Those that are open. */
  readonly streams: Set<{ finish(): void }>;
  /** Milliseconds since 1970: deadlines of gRPC are in them. */
  readonly wallClock: () => number;
}
