// How many calls may be open at once, whatever they are for: each costs memory before it has said anything.

import { ServerInterceptingCall, type ServerInterceptingCallInterface } from "@grpc/grpc-js";

import { type CallInternals, stopSending } from "./call-internals.ts";
import { TOO_MANY_CALLS } from "./status.ts";

export class CallLimit {
  readonly #maxCalls: number;
  #open = 0;

  /** @param maxCalls of all connections together */
  constructor(maxCalls: number) {
    this.#maxCalls = maxCalls;
  }

  /** Counts the call until it is over. False, without counting it, where there are too many. */
  admits({ stream }: Pick<CallInternals, "stream">): boolean {
    if (this.#open >= this.#maxCalls) {
      return false;
    }
    this.#open += 1;
    stream.once("close", () => {
      this.#open -= 1;
    });
    return true;
  }
}

/** A call that is over before anything of it is read. */
export class RefusedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #internals: CallInternals;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals) {
    super(call);
    this.#call = call;
    this.#internals = internals;
  }

  /** The listener of the handler is not used. */
  override start(): void {
    this.#call.start({
      onReceiveMetadata: () => this.#call.sendStatus(TOO_MANY_CALLS),
      onReceiveMessage: ignore,
      onReceiveHalfClose: ignore,
      onCancel: () => stopSending(this.#internals),
    });
  }
}

function ignore(): void {
  // What a refused call sends makes no difference.
}
