// One ModelInfer call: counted, admitted before its message is read, run, answered, or left by its client.

import { ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

import { Cancellation } from "../../cancellation.ts";
import { InferenceError } from "../../inference-error.ts";
import type { BodyShare } from "../http/body-budget.ts";
import { answeredStatus, type CallInternals } from "./call-internals.ts";
import type { CallOptions } from "./call-options.ts";
import { encodeInferResponse } from "./encode.ts";
import { infer, readRequest } from "./infer.ts";
import { type CallStatus, httpStatusOf, noRoom, OK, toStatus } from "./status.ts";

/** For the whole message. */
const MESSAGE_TIMEOUT_MS = 60_000;

/**
 * Takes the place of the handler: with grpc-js' own way a request is read whole before anything is asked, and each call
 * costs a stream object.
 */
export class UnaryCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: CallOptions;
  readonly #internals: CallInternals;
  readonly #cancellation = new Cancellation();
  readonly #arrivedAtMs: number;
  readonly #share: BodyShare;
  #messageTimer: NodeJS.Timeout | undefined;
  #hasSlot = false;
  #hasMessage = false;
  /** What this server answered, as far as it did. */
  #sent: status | undefined;
  #written = false;
  #ended = false;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals, options: CallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
    this.#internals = internals;
    this.#arrivedAtMs = options.context.clock();
    this.#share = options.budget.open();
  }

  /** The listener of the handler is not used. */
  override start(): void {
    this.#call.start({
      onReceiveMetadata: () => this.#onArrival(),
      onReceiveMessage: (message: Buffer) => this.#onMessage(message),
      onReceiveHalfClose: () => this.#onHalfClose(),
      // Also after an answer: grpc-js calls it whenever a call is over.
      onCancel: () => this.#onEnd(),
    });
  }

  #onArrival(): void {
    const { context, connections, slots } = this.#options;
    const { stream, compressed } = this.#internals;
    context.metrics.requestReceived("v2-grpc");
    connections.callBegan();
    try {
      context.model.admit();
    } catch (error) {
      this.#refuse(error);
      return;
    }
    stream.on("data", (chunk: Buffer) => this.#count(chunk.length));
    this.#messageTimer = setTimeout(() => {
      this.#send({ code: status.DEADLINE_EXCEEDED, details: "the request did not arrive in time" });
    }, MESSAGE_TIMEOUT_MS);
    if (compressed) {
      slots.take(() => this.#readCompressed());
    } else {
      this.#call.startRead();
    }
  }

  #readCompressed(): void {
    this.#hasSlot = true;
    if (this.#ended) {
      this.#releaseSlot();
    } else {
      this.#call.startRead();
    }
  }

  #count(bytes: number): void {
    if (!this.#ended && !this.#share.take(bytes)) {
      this.#refuse(noRoom());
    }
  }

  #onMessage(message: Buffer): void {
    this.#endReading();
    if (this.#hasMessage) {
      this.#refuse(new InferenceError("UNSUPPORTED", "ModelInfer takes one request message"));
      return;
    }
    this.#hasMessage = true;
    void this.#answer(message);
    this.#call.startRead();
  }

  #onHalfClose(): void {
    if (!this.#hasMessage) {
      // A connection that breaks looks the same at first.
      setImmediate(() => {
        this.#refuse(new InferenceError("UNSUPPORTED", "ModelInfer takes one request message; none came"));
      });
    }
  }

  async #answer(message: Buffer): Promise<void> {
    const { model } = this.#options.context;
    try {
      const request = readRequest(message, model);
      const response = await infer(request, model, this.#remainingMs(), this.#cancellation);
      if (this.#sent === undefined && !this.#ended) {
        this.#call.sendMessage(encodeInferResponse(response), () => {
          this.#written = true;
        });
        this.#send(OK);
      }
    } catch (error) {
      // At the deadline grpc-js answers by itself.
      if (this.#remainingMs() > 0) {
        this.#refuse(error);
      }
    }
  }

  #remainingMs(): number {
    return Number(this.#call.getDeadline()) - this.#options.wallClock();
  }

  #refuse(error: unknown): void {
    if (!this.#ended) {
      this.#send(toStatus(error, this.#options.context.log));
    }
  }

  #send(answer: CallStatus): void {
    this.#sent ??= answer.code;
    this.#call.sendStatus(answer);
  }

  #endReading(): void {
    clearTimeout(this.#messageTimer);
    this.#releaseSlot();
  }

  #releaseSlot(): void {
    if (this.#hasSlot) {
      this.#hasSlot = false;
      this.#options.slots.release();
    }
  }

  #onEnd(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#endReading();
    this.#cancellation.cancel();
    this.#share.release();
    const { context, connections } = this.#options;
    const seconds = (context.clock() - this.#arrivedAtMs) / 1000;
    context.metrics.requestEnded("v2-grpc", httpStatusOf(this.#outcome()), seconds);
    connections.callEnded(this.#internals.session);
  }

  #outcome(): number {
    if (this.#sent !== undefined) {
      return this.#sent === status.OK && !this.#written ? status.CANCELLED : this.#sent;
    }
    // Answered by grpc-js itself, for example at the deadline, or not at all.
    return answeredStatus(this.#internals.stream) ?? status.CANCELLED;
  }
}
