// What a fault may do to the traffic between the operator and the API server.

import type { Call } from "./call.ts";
import type { StepName } from "./story.ts";

/** What becomes of a request before the API server has seen it. */
export type Verdict =
  | { readonly kind: "pass" }
  /** Answered by the proxy itself. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly retryAfterSeconds?: number }
  /** The connection is reset. */
  | { readonly kind: "reset" };

/** Where a watch's events come out. */
export interface EventSink {
  /** One event as the API server wrote it, without its newline. */
  readonly send: (line: string) => void;
  /** Says 410 Gone and ends the watch. */
  readonly gone: () => void;
}

/** Takes the events of one watch; what it does not pass to its sink is lost. */
export type EventFilter = (line: string) => void;

/** Every hook is optional: a fault without any changes nothing. */
export interface Fault {
  readonly name: string;
  /** A step of the story begins; its action comes when this has resolved. */
  beforeStep?(step: StepName): Promise<void> | void;
  /** The action has been done; the operator is at work. */
  afterAction?(step: StepName): Promise<void> | void;
  /** The world has been looked at; nothing more is disturbed until the next step. */
  afterStep?(step: StepName): Promise<void> | void;
  arrives?(call: Call): Promise<Verdict> | Verdict;
  /** The API server has answered a write with 2xx. `lose`: the operator never hears of it. */
  written?(call: Call): "deliver" | "lose";
  /** The operator has been sent the answer to a write. */
  delivered?(call: Call): void;
  /** Makes another answer of a list's. */
  listed?(call: Call, body: string): string;
  watching?(call: Call, sink: EventSink): EventFilter;
}

export const pass: Verdict = { kind: "pass" };
