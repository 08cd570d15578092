// One ModelStreamInfer call: many requests on one stream, run side by side and answered in their order.

import { constants } from "node:http2";

import { ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

import { Cancellation } from "../../cancellation.ts";
import { ArrivingMessage } from "./arriving-message.ts";
import { answeredStatus, type CallInternals } from "./call-internals.ts";
import type { CallOptions, OpenCall } from "./call-options.ts";
import { encodeStreamError, encodeStreamResponse } from "./encode.ts";
import { infer, readRequest } from "./infer.ts";
import type { InferRequest } from "./infer-request.ts";
import { type CallStatus, httpStatusOf, OK, TOO_MANY_ANSWERS, TOO_MANY_COMPRESSED, toStatus } from "./status.ts";
import type { UnsentAnswer } from "./unsent-answers.ts";

/** Requests of one stream that may be without an answer; further ones are not read until there is one. */
const MAX_UNANSWERED = 64;

interface StreamRequest {
  readonly arrivedAtMs: number;
  readonly message: ArrivingMessage;
  readonly cancellation: Cancellation;
}

interface StreamAnswer {
  readonly message: Buffer;
  readonly code: status;
  readonly unsent: UnsentAnswer;
}

export class StreamCall extends ServerInterceptingCall implements OpenCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: CallOptions;
  readonly #internals: CallInternals;
  readonly #unanswered = new Set<StreamRequest>();
  /** The next one. */
  #message: ArrivingMessage;
  #lastAnswer: Promise<void> = Promise.resolve();
  #readsWhenAnswered = false;
  #halfClosed = false;
  #finishing = false;
  #hasSlot = false;
  #writing = false;
  #sent = false;
  readonly #over = Promise.withResolvers<void>();
  #ended = false;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals, options: CallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
    this.#internals = internals;
    this.#message = this.#nextMessage();
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

  finish(): void {
    this.#finishing = true;
    this.#endWhenAnswered();
  }

  giveUp(): void {
    if (this.#writing || this.#unanswered.size === 0) {
      this.#internals.stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  #nextMessage(): ArrivingMessage {
    const { budget, context } = this.#options;
    return new ArrivingMessage({ budget, clock: context.clock, refuse: (answer) => this.#send(answer) });
  }

  #onArrival(): void {
    const { open, slots, unsent } = this.#options;
    const { stream, compressed } = this.#internals;
    open.add(this);
    if (unsent.isFull()) {
      this.#send(TOO_MANY_ANSWERS);
      return;
    }
    // The client decides when its next message comes, so there is no waiting for a slot.
    if (compressed && !slots.tryTake()) {
      this.#send(TOO_MANY_COMPRESSED);
      return;
    }
    this.#hasSlot = compressed;
    stream.on("data", (chunk: Buffer) => {
      if (!this.#ended) {
        this.#message.add(chunk.length);
      }
    });
    this.#call.startRead();
  }

  #onMessage(message: Buffer): void {
    const { context, connections } = this.#options;
    this.#message.end();
    const request = { arrivedAtMs: context.clock(), message: this.#message, cancellation: new Cancellation() };
    this.#message = this.#nextMessage();
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
    const answer = (response: Buffer, code: status): StreamAnswer => {
      const unsent = this.#options.unsent.add(response.length, () => this.giveUp());
      return { message: response, code, unsent };
    };
    let request: InferRequest | undefined;
    try {
      request = readRequest(message, context.model);
      const remainingMs = Number(this.#call.getDeadline()) - wallClock();
      const response = await infer(request, context.model, remainingMs, cancellation);
      return answer(encodeStreamResponse(response), status.OK);
    } catch (error) {
      const { code, details } = toStatus(error, context.log);
      return answer(encodeStreamError(details, request?.id ?? ""), code);
    }
  }

  async #deliver(request: StreamRequest, answer: Promise<StreamAnswer>): Promise<void> {
    const { message, code, unsent } = await answer;
    if (!this.#ended) {
      const { promise: written, resolve } = Promise.withResolvers<void>();
      this.#writing = true;
      this.#call.sendMessage(message, resolve);
      await Promise.race([written, this.#over.promise]);
      this.#writing = false;
    }
    this.#options.unsent.remove(unsent);
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
      request.message.share.release();
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
    this.#message.end();
    this.#message.share.release();
    if (this.#hasSlot) {
      this.#options.slots.release();
    }
    this.#options.open.delete(this);
    const code = answeredStatus(this.#internals.stream) ?? status.CANCELLED;
    for (const request of this.#unanswered) {
      request.cancellation.cancel();
      this.#count(request, code);
    }
  }
}
