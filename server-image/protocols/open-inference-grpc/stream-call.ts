// One ModelStreamInfer call: many requests on one stream, run side by side and answered in their order.

import { ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

import { Cancellation } from "../../cancellation.ts";
import { InferenceError } from "../../inference-error.ts";
import type { BodyShare } from "../http/body-budget.ts";
import { answeredStatus, type CallInternals } from "./call-internals.ts";
import type { CallOptions } from "./call-options.ts";
import { encodeStreamError, encodeStreamResponse } from "./encode.ts";
import { infer, readRequest } from "./infer.ts";
import type { InferRequest } from "./infer-request.ts";
import { type CallStatus, httpStatusOf, noRoom, OK, toStatus } from "./status.ts";

/** Requests of one stream that may be without an answer; further ones are not read until there is one. */
const MAX_UNANSWERED = 64;

interface StreamRequest {
  readonly arrivedAtMs: number;
  readonly share: BodyShare;
  readonly cancellation: Cancellation;
}

interface StreamAnswer {
  readonly message: Buffer;
  readonly code: status;
}

export class StreamCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: CallOptions;
  readonly #internals: CallInternals;
  readonly #unanswered = new Set<StreamRequest>();
  /** Of the bytes that have arrived since the last message was complete. */
  #share: BodyShare;
  #lastAnswer: Promise<void> = Promise.resolve();
  #readsWhenAnswered = false;
  #halfClosed = false;
  #finishing = false;
  #hasSlot = false;
  #sent = false;
  readonly #over = Promise.withResolvers<void>();
  #ended = false;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals, options: CallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
    this.#internals = internals;
    this.#share = options.budget.open();
  }

  /** The listener of the handler is not used. */
  override start(): void {
    this.#call.start({
      onReceiveMetadata: () => this.#onArrival(),
      onReceiveMessage: (message: Buffer) => this.#onMessage(message),
      onReceiveHalfClose: () => {
        this.#halfClosed = true;
        this.#endWhenAnswered();
      },
      onCancel: () => this.#onEnd(),
    });
  }

  /** Reads no more; the stream ends with its last answer. */
  finish(): void {
    this.#finishing = true;
    this.#endWhenAnswered();
  }

  #onArrival(): void {
    const { streams, slots } = this.#options;
    const { stream, compressed } = this.#internals;
    streams.add(this);
    // The client decides when its next message comes, so there is no waiting for a slot.
    if (compressed && !slots.tryTake()) {
      this.#send(
        toStatus(
          new InferenceError("UNAVAILABLE", "too many compressed streams are open; send without compression"),
          this.#options.context.log,
        ),
      );
      return;
    }
    this.#hasSlot = compressed;
    stream.on("data", (chunk: Buffer) => {
      if (!this.#ended && !this.#share.take(chunk.length)) {
        this.#send(toStatus(noRoom(), this.#options.context.log));
      }
    });
    this.#call.startRead();
  }

  #onMessage(message: Buffer): void {
    const { context, connections, budget } = this.#options;
    const request = { arrivedAtMs: context.clock(), share: this.#share, cancellation: new Cancellation() };
    this.#share = budget.open();
    this.#unanswered.add(request);
    context.metrics.requestReceived("v2-grpc");
    connections.callBegan();
    const answer = this.#run(message, request.cancellation);
    this.#lastAnswer = this.#lastAnswer.then(() => this.#deliver(request, answer));
    if (this.#unanswered.size < MAX_UNANSWERED) {
      this.#read();
    } else {
      this.#readsWhenAnswered = true;
    }
  }

  #read(): void {
    if (!this.#finishing) {
      this.#call.startRead();
    }
  }

  /** Never rejects. */
  async #run(message: Buffer, cancellation: Cancellation): Promise<StreamAnswer> {
    const { context, wallClock } = this.#options;
    let request: InferRequest | undefined;
    try {
      request = readRequest(message, context.model);
      const remainingMs = Number(this.#call.getDeadline()) - wallClock();
      const response = await infer(request, context.model, remainingMs, cancellation);
      return { message: encodeStreamResponse(response), code: status.OK };
    } catch (error) {
      const { code, details } = toStatus(error, context.log);
      return { message: encodeStreamError(details, request?.id ?? ""), code };
    }
  }

  async #deliver(request: StreamRequest, answer: Promise<StreamAnswer>): Promise<void> {
    const { message, code } = await answer;
    if (!this.#ended) {
      const { promise: written, resolve } = Promise.withResolvers<void>();
      this.#call.sendMessage(message, resolve);
      await Promise.race([written, this.#over.promise]);
    }
    this.#count(request, code);
    if (this.#readsWhenAnswered) {
      this.#readsWhenAnswered = false;
      this.#read();
    }
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (this.#unanswered.size > 0 || this.#sent) {
      return;
    }
    if (this.#halfClosed) {
      this.#send(OK);
    } else if (this.#finishing) {
      // Requests that are on their way are lost with it: the client must know that it has to repeat them.
      this.#send({ code: status.UNAVAILABLE, details: "server is stopping" });
    }
  }

  #send(answer: CallStatus): void {
    this.#sent = true;
    this.#call.sendStatus(answer);
  }

  /** Once for each request. */
  #count(request: StreamRequest, code: number): void {
    if (this.#unanswered.delete(request)) {
      const { context, connections } = this.#options;
      request.share.release();
      context.metrics.requestEnded("v2-grpc", httpStatusOf(code), (context.clock() - request.arrivedAtMs) / 1000);
      connections.callEnded(this.#internals.session);
    }
  }

  #onEnd(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#over.resolve();
    this.#share.release();
    if (this.#hasSlot) {
      this.#options.slots.release();
    }
    this.#options.streams.delete(this);
    const code = answeredStatus(this.#internals.stream) ?? status.CANCELLED;
    for (const request of this.#unanswered) {
      request.cancellation.cancel();
      this.#count(request, code);
    }
  }
}
