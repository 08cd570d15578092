// A failure of pods: its reason from the catalogue, and a sentence for people.

import type { FailureReason } from "../api/conditions.ts";
import { publicText } from "../api/public-text.ts";

export interface Failure {
  readonly reason: FailureReason;
  /** One sentence, fit to be shown. */
  readonly message: string;
  /** The inference server's own code, if it gave one. */
  readonly code?: string;
}

/** `detail` is what somebody else said about it, and may be anything. */
export function failure(reason: FailureReason, sentence: string, detail = ""): Failure {
  return { reason, message: publicText(detail.trim() === "" ? sentence : `${sentence}: ${detail}`) };
}
